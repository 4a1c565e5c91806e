// Roles: made, changed, ordered and deleted by those who rank above them. A change of who reads what jumps the
// community's version: it touches everybody differently, so clients load the structure again.
import { requireAction } from '#server/access.ts';
import type { Actor, Deps } from '#server/deps.ts';
import { uuidv7 } from '#server/platform/ids.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import { AppError, notFound } from '#shared/errors.ts';
import type { CommunityId, RoleId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { permission } from '#shared/permissions.ts';
import type { RoleSummary } from '#shared/roles.ts';
import { recompute } from '../audience/audience.service.ts';
import {
  announce,
  communityOfRole,
  lockCommunity,
  raiseVersion,
  type CommunityRow,
} from '../audience/structure.service.ts';
import { listRoles, touchesView, writePositions } from './roles.queries.ts';

function publishRoles(tx: Tx, deps: Deps, what: { community: CommunityRow; roles: readonly RoleSummary[] }) {
  const { communityId, version } = what.community;
  tx.afterCommit(() => {
    for (const role of what.roles) {
      deps.live.publish(
        { to: 'community', communityId },
        { type: 'role.changed', communityId, version, role },
      );
    }
  });
}

/** Recomputes every audience of the community and tells who came and went, under a jumped version. */
async function reshape(tx: Tx, deps: Deps, communityId: CommunityId): Promise<CommunityRow> {
  const changes = await recompute(tx, deps, { communityId });
  const community = await raiseVersion(tx, communityId, { versions: 2 });
  await announce(tx, deps, { community, changes });
  return community;
}

/** A new role stands right above everyone; the others move up. */
export function createRole(
  deps: Deps,
  actor: Actor,
  input: {
    readonly communityId: CommunityId;
    readonly name: string;
    readonly bits: number;
    readonly colour?: number | null | undefined;
  },
): Promise<RoleSummary> {
  const { communityId, name, bits, colour = null } = input;
  return transaction(deps.db, async (tx) => {
    await lockCommunity(tx, communityId);
    await requireAction(tx, actor, 'role.manage', { communityId, grant: { bits } });
    const above = (await listRoles(tx, communityId)).filter((role) => role.position > 0);
    if (above.length + 1 >= limits.rolesPerCommunity) {
      throw new AppError({
        code: 'limit_reached',
        limit: 'rolesPerCommunity',
        max: limits.rolesPerCommunity,
      });
    }
    const roleId = uuidv7(deps.clock) as RoleId;
    const role: RoleSummary = { roleId, name, colour, position: 1, bits };
    const moved = await writePositions(tx, communityId, [roleId, ...above.map((r) => r.roleId)]);
    await tx.prisma.role.create({ data: { id: roleId, communityId, name, colour, position: 1, bits } });
    const community = await raiseVersion(tx, communityId);
    publishRoles(tx, deps, { community, roles: [role, ...moved] });
    return role;
  });
}

interface RoleChange {
  readonly roleId: RoleId;
  readonly name?: string | undefined;
  readonly bits?: number | undefined;
  readonly colour?: number | null | undefined;
  readonly position?: number | undefined;
}

/** The everyone role has no name or place to choose. */
function requireChangeable(role: RoleSummary, input: RoleChange): void {
  const { name, position, colour } = input;
  if (role.position === 0 && (name !== undefined || position !== undefined || colour !== undefined)) {
    throw new AppError({ code: 'conflict', what: 'everyone_role' });
  }
}

/** The order with one role moved to `position` (1 is lowest, clamped), without the everyone role. */
function reordered(roles: readonly RoleSummary[], roleId: RoleId, position: number): RoleId[] {
  const order = roles.filter((r) => r.position > 0 && r.roleId !== roleId).map((r) => r.roleId);
  order.splice(Math.min(position - 1, order.length), 0, roleId);
  return order;
}

async function writeRole(
  tx: Tx,
  role: RoleSummary,
  what: { input: RoleChange; communityId: CommunityId; roles: readonly RoleSummary[] },
): Promise<RoleSummary[]> {
  const { name = role.name, bits = role.bits, position } = what.input;
  const colour = what.input.colour === undefined ? role.colour : what.input.colour;
  await tx.prisma.role.update({ where: { id: role.roleId }, data: { name, bits, colour } });
  const order = position === undefined ? [] : reordered(what.roles, role.roleId, position);
  const moved = await writePositions(tx, what.communityId, order);
  const own = moved.find((r) => r.roleId === role.roleId)?.position ?? role.position;
  const others = moved.filter((r) => r.roleId !== role.roleId);
  return [{ roleId: role.roleId, name, colour, bits, position: own }, ...others];
}

export function updateRole(deps: Deps, actor: Actor, input: RoleChange): Promise<void> {
  const { roleId, bits, position } = input;
  return transaction(deps.db, async (tx) => {
    const { communityId } = await lockCommunity(tx, await communityOfRole(tx, roleId));
    const roles = await listRoles(tx, communityId);
    const role = roles.find((r) => r.roleId === roleId);
    if (!role) throw notFound();
    const grant = { bits: (bits ?? 0) & ~role.bits, ...(position !== undefined && { position }) };
    await requireAction(tx, actor, 'role.manage', { communityId, roleId, grant });
    requireChangeable(role, input);
    const changed = await writeRole(tx, role, { input, communityId, roles });
    const isReshaped = (((bits ?? role.bits) ^ role.bits) & permission.view) !== 0;
    const community = isReshaped ? await reshape(tx, deps, communityId) : await raiseVersion(tx, communityId);
    publishRoles(tx, deps, { community, roles: changed });
  });
}

/** Those who held it lose it; overrides about it go too. */
export function deleteRole(deps: Deps, actor: Actor, input: { readonly roleId: RoleId }): Promise<void> {
  const { roleId } = input;
  return transaction(deps.db, async (tx) => {
    const { communityId } = await lockCommunity(tx, await communityOfRole(tx, roleId));
    const facts = await requireAction(tx, actor, 'role.manage', { communityId, roleId, grant: { bits: 0 } });
    if (facts.targetRole?.position === 0) throw new AppError({ code: 'conflict', what: 'everyone_role' });
    const isReshaped = await touchesView(tx, roleId);
    await tx.prisma.role.delete({ where: { id: roleId } });
    const left = (await listRoles(tx, communityId)).filter((role) => role.position > 0);
    const moved = await writePositions(
      tx,
      communityId,
      left.map((role) => role.roleId),
    );
    const community = isReshaped ? await reshape(tx, deps, communityId) : await raiseVersion(tx, communityId);
    const { version } = community;
    tx.afterCommit(() =>
      deps.live.publish(
        { to: 'community', communityId },
        { type: 'role.deleted', communityId, version, roleId },
      ),
    );
    publishRoles(tx, deps, { community, roles: moved });
  });
}
