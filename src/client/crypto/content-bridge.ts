// Content between the page (ids as UUID strings) and the crypto library (ids as 16 bytes).
import { bytesToUuid, uuidToBytes, type Content as WireContent, type KnownContent } from '#crypto/index.ts';
import { CryptoError } from '#crypto/index.ts';
import type { EventId } from '#shared/ids.ts';
import type { Content } from './protocol.ts';

const eventId = (bytes: Uint8Array): EventId => bytesToUuid(bytes) as EventId;

/** Throws `unsupported` for content this build only displays. */
export function toWire(content: Content): KnownContent {
  switch (content.type) {
    case 'text': {
      const { text, replyTo } = content;
      return replyTo === null
        ? { type: 'text', text }
        : { type: 'text', text, replyTo: uuidToBytes(replyTo) };
    }
    case 'reaction': {
      const { type, emoji, rev, add, target } = content;
      return { type, emoji, rev, op: add ? 'add' : 'remove', target: uuidToBytes(target) };
    }
    case 'edit':
    case 'redact':
    case 'pin':
    case 'unpin':
      return { ...content, target: uuidToBytes(content.target) };
    case 'unknown':
      throw new CryptoError('unsupported', 'content of a newer client');
  }
}

export function fromWire(content: WireContent): Content {
  switch (content.type) {
    case 'text':
      return { type: 'text', text: content.text, replyTo: content.replyTo ? eventId(content.replyTo) : null };
    case 'reaction': {
      const { type, emoji, rev, op, target } = content;
      return { type, emoji, rev, add: op === 'add', target: eventId(target) };
    }
    case 'edit':
    case 'redact':
    case 'pin':
    case 'unpin':
      return { ...content, target: eventId(content.target) };
    case 'unknown':
      return { type: 'unknown' };
  }
}
