import { fireEvent, render, screen } from '@testing-library/svelte';
import { tick } from 'svelte';
import { get } from 'svelte/store';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { dismissToast, notify, toasts } from '#client/ui/toast.ts';
import Toaster from '#client/ui/Toaster.svelte';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  for (const entry of get(toasts)) dismissToast(entry.id);
  vi.useRealTimers();
});

describe('toasts', () => {
  it('leave after six seconds; errors stay until closed', async () => {
    render(Toaster);
    notify({ title: 'Copied' });
    notify({ tone: 'error', title: 'Couldn’t send' });
    await tick();
    await vi.advanceTimersByTimeAsync(6100);
    expect(screen.queryByText('Copied')).toBeNull();
    expect(screen.getByRole('alert').textContent).toContain('Couldn’t send');
    await fireEvent.click(screen.getByRole('button', { name: 'Close' }));
    expect(screen.queryByRole('alert')).toBeNull();
  });

  it('wait while somebody looks', async () => {
    render(Toaster);
    notify({ title: 'Copied' });
    await tick();
    const region = screen.getByRole('region', { name: 'Notifications' });
    await fireEvent.pointerEnter(region);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(screen.getByText('Copied')).toBeTruthy();
    await fireEvent.pointerLeave(region);
    await vi.advanceTimersByTimeAsync(6100);
    expect(screen.queryByText('Copied')).toBeNull();
  });

  it('are three at most', async () => {
    render(Toaster);
    for (const title of ['one', 'two', 'three', 'four']) notify({ title });
    await tick();
    expect(screen.queryByText('one')).toBeNull();
    expect(screen.getByText('four')).toBeTruthy();
  });

  it('run their action once and leave', async () => {
    const run = vi.fn();
    render(Toaster);
    notify({ title: 'Message deleted', action: { label: 'Undo', run } });
    await tick();
    await fireEvent.click(screen.getByRole('button', { name: 'Undo' }));
    expect(run).toHaveBeenCalledOnce();
    expect(screen.queryByText('Message deleted')).toBeNull();
  });
});
