/** What others see of a person's presence; invisible people are `offline` to everybody else. */
export type Presence = 'online' | 'idle' | 'dnd' | 'offline';
/** What this device knows of a person's identity. */
export type ShieldState = 'verified' | 'unchecked' | 'changed';
