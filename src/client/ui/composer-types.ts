/** What the composer is doing besides writing something new. */
export type ComposerModeView = { kind: 'reply'; name: string; text: string } | { kind: 'edit' };
