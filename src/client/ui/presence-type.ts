/** What others see of a person's presence; invisible people are `offline` to everybody else. */
export type Presence = 'online' | 'idle' | 'dnd' | 'offline';
/**
 * What this device knows of a person's identity: checked, named by an invite link, not checked, checked before oneself
 * started over, or contradicted by what the server shows.
 */
export type ShieldState = 'verified' | 'linked' | 'unchecked' | 'again' | 'changed';
