import { render, screen, within } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import ComposerFrame from '#client/ui/ComposerFrame.svelte';
import EmojiPicker from '#client/ui/EmojiPicker.svelte';
import MessageRow from '#client/ui/MessageRow.svelte';
import PasswordStrength from '#client/ui/PasswordStrength.svelte';
import TextField from '#client/ui/TextField.svelte';
import Floats from './harness/Floats.svelte';
import Frame from './harness/Frame.svelte';
import Retype from './harness/Retype.svelte';

describe('TextField', () => {
  it('is the only thing called by its label, also with the reveal button', () => {
    render(TextField, { label: 'Password', type: 'password' });
    expect(screen.getAllByLabelText(/password/i)).toHaveLength(1);
  });

  it('shows and hides what was typed', async () => {
    render(TextField, { label: 'Password', type: 'password', value: 'secret' });
    const field = screen.getByLabelText<HTMLInputElement>('Password');
    await userEvent.click(screen.getByRole('button', { name: 'Show what you typed' }));
    expect(field.type).toBe('text');
    await userEvent.click(screen.getByRole('button', { name: 'Hide what you typed' }));
    expect(field.type).toBe('password');
    expect(field.value).toBe('secret');
  });

  it('says the error aloud and ties it to the field', () => {
    render(TextField, { label: 'Username', error: 'That name is taken.', hint: 'Lower case.' });
    const field = screen.getByRole('textbox', { name: 'Username' });
    expect(field.getAttribute('aria-invalid')).toBe('true');
    const message = screen.getByRole('alert');
    expect(field.getAttribute('aria-describedby')).toBe(message.id);
    expect(message.textContent).toContain('taken');
    expect(screen.queryByText('Lower case.')).toBeNull();
  });
});

describe('PasswordStrength', () => {
  it('says in words what the bar shows', async () => {
    const { rerender } = render(PasswordStrength, { password: 'abc', minLength: 10 });
    expect(screen.getByText('7 more characters.')).toBeTruthy();
    await rerender({ password: 'password123', minLength: 10 });
    expect(screen.getByText(/Too well known/)).toBeTruthy();
    await rerender({ password: 'lathe kettle orchard velvet', minLength: 10 });
    expect(screen.getByRole('meter').getAttribute('aria-valuenow')).toBe('4');
  });
});

describe('RecoveryRetype', () => {
  it('takes the asked groups in any spelling, moves on by itself and completes', async () => {
    render(Retype);
    const second = screen.getByRole('textbox', { name: 'Recovery code, group 2' });
    expect(screen.getAllByRole('textbox')).toHaveLength(4);
    await userEvent.type(second, '9qx2');
    expect(document.activeElement?.getAttribute('aria-label')).toBe('Recovery code, group 3');
    await userEvent.keyboard('m8tb');
    expect(screen.getByText('Groups 2 and 3 match.')).toBeTruthy();
    expect(screen.getByText('open')).toBeTruthy();
    await userEvent.keyboard('wORa');
    await userEvent.keyboard('j5');
    expect(await screen.findByText('complete')).toBeTruthy();
  });

  it('names the group that is wrong and stays open', async () => {
    render(Retype);
    await userEvent.type(screen.getByRole('textbox', { name: 'Recovery code, group 3' }), 'XXXX');
    expect(screen.getByText(/Group 3 doesn’t match yet/)).toBeTruthy();
    expect(screen.getByText('open')).toBeTruthy();
  });
});

describe('ComposerFrame', () => {
  const setup = (props: Record<string, unknown> = {}) => {
    const onsend = vi.fn();
    render(ComposerFrame, { label: 'Message #general', maxlength: 20, onsend, ...props });
    return { onsend, field: screen.getByRole<HTMLTextAreaElement>('textbox', { name: 'Message #general' }) };
  };

  it('sends on Enter, breaks on Shift+Enter, ignores blank text', async () => {
    const { onsend, field } = setup();
    await userEvent.type(field, '  {Enter}');
    expect(onsend).not.toHaveBeenCalled();
    await userEvent.type(field, 'hi{Shift>}{Enter}{/Shift}there');
    expect(field.value).toContain('hi\nthere');
    expect(onsend).not.toHaveBeenCalled();
    await userEvent.type(field, '{Enter}');
    expect(onsend).toHaveBeenCalledOnce();
  });

  it('leaves Enter to the input method while it composes', () => {
    const { onsend, field } = setup({ value: 'に' });
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, isComposing: true }));
    expect(onsend).not.toHaveBeenCalled();
  });

  it('refuses text that is too long and says by how much', async () => {
    const { onsend, field } = setup({ value: 'x'.repeat(23) });
    expect(screen.getByText('3 characters too many')).toBeTruthy();
    await userEvent.type(field, '{Backspace}{Enter}');
    expect(onsend).not.toHaveBeenCalled();
    expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Send' }).disabled).toBe(true);
  });

  it('leaves a reply with Esc', async () => {
    const oncancelmode = vi.fn();
    const { field } = setup({ mode: { kind: 'reply', name: 'Ada', text: 'tea?' }, oncancelmode });
    expect(screen.getByText('Replying to Ada')).toBeTruthy();
    await userEvent.type(field, '{Escape}');
    expect(oncancelmode).toHaveBeenCalledOnce();
  });

  it('says why nobody can write', () => {
    render(ComposerFrame, {
      label: 'Message #x',
      maxlength: 9,
      onsend: vi.fn(),
      disabled: 'This channel is read-only.',
    });
    expect(screen.queryByRole('textbox')).toBeNull();
    expect(screen.getByText('This channel is read-only.')).toBeTruthy();
  });
});

describe('MessageRow', () => {
  const base = { id: 'e1', author: { id: 'a1', name: 'Ada' }, at: new Date(2026, 10, 12, 9, 41).getTime() };

  it('is an article named by author and time', () => {
    render(MessageRow, { ...base, content: { kind: 'text', text: 'hello' } });
    const row = screen.getByRole('article', { name: 'Ada, 09:41' });
    expect(row.textContent).toContain('hello');
  });

  it('offers to try again or delete what was not sent', async () => {
    const onretry = vi.fn();
    const ondelete = vi.fn();
    const delivery = { state: 'failed' as const, reason: 'the server didn’t answer.', onretry, ondelete };
    render(MessageRow, { ...base, content: { kind: 'text', text: 'hello' }, delivery });
    expect(screen.getByRole('alert').textContent).toContain('Not sent: the server didn’t answer.');
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    await userEvent.click(screen.getByRole('button', { name: 'Delete' }));
    expect([onretry.mock.calls.length, ondelete.mock.calls.length]).toEqual([1, 1]);
  });

  it('names who reacted and toggles the own reaction', async () => {
    const onreact = vi.fn();
    const reactions = [{ emoji: '👍', count: 2, own: true, names: 'You and Ben' }];
    render(MessageRow, { ...base, content: { kind: 'text', text: 'x' }, reactions, onreact });
    const chip = within(screen.getByRole('group', { name: 'Reactions' })).getByRole('button');
    expect(chip.getAttribute('aria-label')).toBe('👍, 2 people: You and Ben');
    expect(chip.getAttribute('aria-pressed')).toBe('true');
    await userEvent.click(chip);
    expect(onreact).toHaveBeenCalledWith('👍');
  });

  it('jumps to the quoted message', async () => {
    const onjump = vi.fn();
    const reply = { authorId: 'a2', authorName: 'Ben', text: 'tea?', onjump };
    render(MessageRow, { ...base, grouped: true, content: { kind: 'text', text: 'yes' }, reply });
    await userEvent.click(screen.getByRole('button', { name: 'Reply to Ben: tea?' }));
    expect(onjump).toHaveBeenCalledOnce();
    expect(screen.getByText('Ada')).toBeTruthy();
  });

  it('marks edited text', () => {
    render(MessageRow, { ...base, content: { kind: 'text', text: 'hello', editedAt: base.at + 1 } });
    expect(screen.getByText('(edited)')).toBeTruthy();
  });
});

describe('EmojiPicker', () => {
  it('finds by name and picks the best with Enter', async () => {
    const onpick = vi.fn();
    render(EmojiPicker, { onpick });
    const search = screen.getByRole('searchbox', { name: 'Search emoji' });
    await screen.findByRole('tablist');
    expect(document.activeElement).toBe(search);
    await userEvent.type(search, 'thumbs up{Enter}');
    expect(onpick).toHaveBeenCalledWith('👍');
  });

  it('moves through the grid with the arrows', async () => {
    render(EmojiPicker, { onpick: vi.fn() });
    await screen.findByRole('tablist');
    const cells = [...document.querySelectorAll<HTMLElement>('[data-cell]')];
    cells[0]?.focus();
    await userEvent.keyboard('{ArrowDown}{ArrowRight}');
    expect(document.activeElement).toBe(cells[9]);
    expect(cells.filter((cell) => cell.tabIndex === 0)).toHaveLength(1);
  });
});

describe('AppFrame', () => {
  it('has its landmarks and one heading of the first rank', () => {
    render(Frame, { onclosepanel: vi.fn() });
    expect(screen.getByRole('navigation', { name: 'Communities' })).toBeTruthy();
    expect(screen.getByRole('complementary', { name: 'Channels' })).toBeTruthy();
    expect(screen.getByRole('complementary', { name: 'Members' })).toBeTruthy();
    expect(screen.getAllByRole('main')).toHaveLength(1);
    expect(screen.getAllByRole('heading', { level: 1 })).toHaveLength(1);
    expect(screen.getByRole('link', { name: 'Film Club, 2 mentions' })).toBeTruthy();
  });

  it('closes the panel with Esc from inside it', async () => {
    const onclosepanel = vi.fn();
    render(Frame, { onclosepanel });
    screen.getByRole('button', { name: 'Ada' }).focus();
    await userEvent.keyboard('{Escape}');
    expect(onclosepanel).toHaveBeenCalledOnce();
  });

  it('gives the sidebar one tab stop, the current row, and arrows inside', async () => {
    render(Frame, { onclosepanel: vi.fn() });
    const rows = ['general', 'random', 'notices'].map((name) =>
      screen.getByRole('link', { name: new RegExp(name) }),
    );
    expect(rows.map((row) => row.tabIndex)).toEqual([-1, 0, -1]);
    rows[1]?.focus();
    await userEvent.keyboard('{ArrowDown}');
    expect(document.activeElement).toBe(rows[2]);
    await userEvent.keyboard('{ArrowDown}{Home}');
    expect(document.activeElement).toBe(rows[0]);
    await userEvent.click(screen.getByRole('button', { name: 'Drop random' }));
    await vi.waitFor(() => expect(rows[0]?.tabIndex).toBe(0));
  });
});

describe('floats', () => {
  it('opens a menu by keyboard, runs the chosen entry and gives the focus back', async () => {
    const onpick = vi.fn();
    render(Floats, { onpick, onclose: vi.fn() });
    const more = screen.getByRole('button', { name: 'More' });
    more.focus();
    await userEvent.keyboard('{Enter}');
    expect(await screen.findByRole('menu', { name: 'Message actions' })).toBeTruthy();
    expect(screen.getAllByRole('menuitem').map((item) => item.textContent.trim())).toEqual([
      'Reply',
      'Delete…',
    ]);
    await userEvent.keyboard('{ArrowDown}{Enter}');
    expect(onpick).toHaveBeenCalledOnce();
    await vi.waitFor(() => expect(screen.queryByRole('menu')).toBeNull());
    await vi.waitFor(() => expect(document.activeElement).toBe(more));
  });

  it('opens a dialog on its first field, closes with Esc and gives the focus back', async () => {
    const onclose = vi.fn();
    render(Floats, { onpick: vi.fn(), onclose });
    const opener = screen.getByRole('button', { name: 'Open dialog' });
    opener.focus();
    await userEvent.keyboard('{Enter}');
    const dialog = await screen.findByRole('dialog', { name: 'New channel' });
    await vi.waitFor(() =>
      expect(document.activeElement).toBe(within(dialog).getByRole('textbox', { name: 'Channel name' })),
    );
    await userEvent.keyboard('{Escape}');
    await vi.waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    expect(onclose).toHaveBeenCalledOnce();
    await vi.waitFor(() => expect(document.activeElement).toBe(opener));
  });
});
