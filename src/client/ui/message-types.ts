/** What a message row shows. Never "bytes that may be text": unreadable content has its own kind. */
export type MessageContent =
  | { kind: 'text'; text: string; editedAt?: number | undefined }
  | {
      kind: 'unreadable';
      /** `pending`: may open later. `tampered`: its seal does not match; never shown. `lost`: will not open. */
      variant: 'pending' | 'tampered' | 'lost';
      title: string;
      /** Why, in words, and what to do. */
      text: string;
      actions?: readonly { label: string; run: () => void }[];
    }
  | { kind: 'deleted'; text: string };

export type Delivery =
  | { state: 'sent' }
  /** `note` replaces "Sending…", e.g. "Waiting for the connection…". */
  | { state: 'sending'; note?: string }
  | { state: 'failed'; reason: string; onretry: () => void; ondelete: () => void };

export interface ReplyPreview {
  authorId: string;
  authorName: string;
  /** One line without markup. */
  text: string;
  onjump?: (() => void) | undefined;
}

export interface ReactionView {
  emoji: string;
  count: number;
  own: boolean;
  /** Who reacted, ready to read: "You, Mara and 2 more". */
  names: string;
}
