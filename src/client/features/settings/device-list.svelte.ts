// One's own devices as the account log certifies them, with the names and hours the server keeps; taking one off it.
import { failureOf, type CallFailure } from '#client/api/errors.ts';
import type { DeviceView } from '#client/crypto/protocol.ts';
import { deviceSummaries } from '#client/features/profile/device-names.ts';
import { removeDevice } from '#client/sync/removal.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { DeviceSummary } from '#shared/devices.ts';
import type { DeviceId } from '#shared/ids.ts';

export interface OwnDevice extends DeviceView {
  /** null where the server names none. */
  readonly label: string | null;
  readonly lastSeenAt: number | null;
  /** What the device that certified it is called; null when that is no device any more, or none did. */
  readonly addedByLabel: string | null;
}

export class DeviceList {
  readonly #workspace: Workspace;
  #summaries = $state.raw<ReadonlyMap<string, DeviceSummary>>(new Map());
  #isLoaded = $state(false);
  #removing = $state<DeviceId | null>(null);
  #failure = $state.raw<CallFailure | null>(null);

  constructor(workspace: Workspace) {
    this.#workspace = workspace;
  }

  /** This one first, then the newest; null until loaded. The log says which there are, not the server. */
  get devices(): readonly OwnDevice[] | null {
    const { me, identities } = this.#workspace;
    const view = me === null ? null : identities.view(me);
    if (!this.#isLoaded || !view) return null;
    const labelOf = (id: DeviceId): string | null => this.#summaries.get(id)?.label ?? null;
    const rank = (device: DeviceView): number => (device.isOwn ? Infinity : device.addedAt);
    return view.devices
      .filter((device) => !device.isRevoked)
      .map((device) => ({
        ...device,
        label: labelOf(device.deviceId),
        lastSeenAt: this.#summaries.get(device.deviceId)?.lastSeenAt ?? null,
        addedByLabel: device.addedBy === null ? null : labelOf(device.addedBy),
      }))
      .toSorted((a, b) => rank(b) - rank(a));
  }

  /** How many devices the log has that came after the names were fetched. */
  get unnamed(): number {
    return (this.devices ?? []).filter(({ deviceId }) => !this.#summaries.has(deviceId)).length;
  }

  get failure(): CallFailure | null {
    return this.#failure;
  }

  /** The device being removed right now. */
  get removing(): DeviceId | null {
    return this.#removing;
  }

  async load(): Promise<void> {
    const { me, api, keys, identities } = this.#workspace;
    if (me === null) return;
    this.#failure = null;
    try {
      await keys.refreshOwnLog();
      await identities.reread(me);
      this.#summaries = await deviceSummaries(api, me);
      this.#isLoaded = true;
    } catch (error) {
      this.#failure = failureOf(error);
    }
  }

  /** Gives a device another name. Answers why not; null when it has it. */
  async rename(deviceId: DeviceId, label: string): Promise<CallFailure | null> {
    try {
      await this.#workspace.api.devices.rename.mutate({ deviceId, label });
    } catch (error) {
      return failureOf(error);
    }
    await this.load();
    return null;
  }

  /** Takes a device off the account for good. Answers whether it is off. */
  async remove(deviceId: DeviceId): Promise<boolean> {
    if (this.#removing !== null) return false;
    this.#removing = deviceId;
    this.#failure = null;
    const { backup } = this.#workspace;
    try {
      await removeDevice(this.#workspace, deviceId);
    } catch (error) {
      this.#failure = failureOf(error);
      return false;
    } finally {
      this.#removing = null;
    }
    await this.load();
    await backup.run();
    await backup.look();
    return true;
  }
}
