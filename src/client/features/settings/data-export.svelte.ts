// Taking one's data along: what the server holds, page by page, and every message this browser opens. Ciphertext comes
// in, the plaintext goes into a file and nowhere else.
import { failureOf, type CallFailure } from '#client/api/errors.ts';
import type { DecryptResult } from '#client/crypto/protocol.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import { personName } from '#client/lib/person-name.ts';
import { exportPartSchema, type ExportPart, type ExportRow } from '#shared/account.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';

export class DataExport {
  readonly #workspace: Workspace;
  #isRunning = $state(false);
  #messages = $state(0);
  #failure = $state.raw<CallFailure | null>(null);

  constructor(workspace: Workspace) {
    this.#workspace = workspace;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Events of conversations read so far. */
  get messages(): number {
    return this.#messages;
  }

  get failure(): CallFailure | null {
    return this.#failure;
  }

  /** The file as pieces of JSON, or null when it failed. `note` says what is left out. */
  async collect(note: string): Promise<string[] | null> {
    if (this.#isRunning) return null;
    this.#isRunning = true;
    this.#failure = null;
    this.#messages = 0;
    try {
      const head = { format: 'chatalot-export', version: 1, exportedAt: new Date().toISOString(), note };
      const pieces = [`${JSON.stringify(head).slice(0, -1)},"server":${JSON.stringify(await this.#held())}`];
      pieces.push(',"conversations":[');
      const channelIds = [...this.#workspace.structure.heads.keys()];
      for (const [i, channelId] of channelIds.entries()) {
        pieces.push(i === 0 ? '' : ',', ...(await this.#conversation(channelId)));
      }
      pieces.push(']}');
      return pieces;
    } catch (error) {
      this.#failure = failureOf(error);
      return null;
    } finally {
      this.#isRunning = false;
    }
  }

  async #held(): Promise<Record<string, readonly ExportRow[]>> {
    const held: Record<string, readonly ExportRow[]> = {};
    for (const part of exportPartSchema.options) held[part] = await this.#part(part);
    return held;
  }

  async #part(part: ExportPart): Promise<ExportRow[]> {
    const rows: ExportRow[] = [];
    let after: string | null = null;
    do {
      const asked: { part: ExportPart; after?: string } = after === null ? { part } : { part, after };
      const page: { rows: readonly ExportRow[]; next: string | null } =
        await this.#workspace.api.account.export.query(asked);
      rows.push(...page.rows);
      after = page.next;
    } while (after !== null);
    return rows;
  }

  /** One conversation as JSON: every event of its log with what this browser makes of it. */
  async #conversation(channelId: ChannelId): Promise<string[]> {
    const { structure } = this.#workspace;
    const { kind, name } = structure.channel(channelId) ?? { kind: null, name: '' };
    const community = structure.communityOf(channelId)?.name ?? null;
    const about = JSON.stringify({ channelId, kind, name, community, with: this.#partner(channelId) });
    const pieces = [`${about.slice(0, -1)},"events":[`];
    const { lastSeq } = structure.head(channelId);
    const opener = this.#workspace.reader(channelId);
    for (let fromSeq = 1, isFirst = true; fromSeq <= lastSeq;) {
      const page = await this.#workspace.api.messages.gap.query({ channelId, fromSeq, toSeq: lastSeq });
      if (page.toSeq < fromSeq) break;
      const results = await opener.open(page.events, Object.values(page.chainCerts));
      const lines = page.events.map(({ envelope: _sealed, ...event }) => {
        const result = results.get(event.eventId);
        const { seq, eventId, senderAccountId: from } = event;
        const at = new Date(event.createdAt).toISOString();
        return JSON.stringify({ seq, eventId, at, from, name: this.#nameOf(from), ...opened(result) });
      });
      if (lines.length > 0) pieces.push(isFirst ? '' : ',', lines.join(','));
      isFirst &&= lines.length === 0;
      this.#messages += lines.length;
      fromSeq = page.toSeq + 1;
    }
    return [...pieces, ']}'];
  }

  #nameOf(accountId: AccountId): string | null {
    const profile = this.#workspace.people.profile(accountId);
    return profile && personName(profile);
  }

  #partner(channelId: ChannelId): AccountId | null {
    const { structure, me } = this.#workspace;
    return structure.membersOf(channelId)?.find((accountId) => accountId !== me) ?? null;
  }
}

/** What the file says of one event: its content, or why there is none. */
function opened(result: DecryptResult | undefined): Record<string, unknown> {
  if (!result) return { status: 'unread' };
  const { status } = result;
  if (status === 'decrypted') return { status, content: result.content };
  return status === 'redacted' || status === 'gone' ? { status } : { status, reason: result.reason };
}
