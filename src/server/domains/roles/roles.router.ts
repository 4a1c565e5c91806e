import { accountProcedure, router } from '#server/trpc.ts';
import {
  assignRoleInput,
  createRoleInput,
  roleInput,
  setOverrideInput,
  updateRoleInput,
} from '#shared/roles.ts';
import { assignRole, unassignRole } from './assignment.service.ts';
import { setOverride } from './overrides.service.ts';
import { createRole, deleteRole, updateRole } from './roles.service.ts';

export const rolesRouter = router({
  create: accountProcedure('role.manage', 'mutate')
    .input(createRoleInput)
    .mutation(({ ctx, input }) => createRole(ctx.deps, ctx.actor, input)),
  update: accountProcedure('role.manage', 'mutate')
    .input(updateRoleInput)
    .mutation(({ ctx, input }) => updateRole(ctx.deps, ctx.actor, input)),
  delete: accountProcedure('role.manage', 'mutate')
    .input(roleInput)
    .mutation(({ ctx, input }) => deleteRole(ctx.deps, ctx.actor, input)),
  assign: accountProcedure('role.assign', 'mutate')
    .input(assignRoleInput)
    .mutation(({ ctx, input }) => assignRole(ctx.deps, ctx.actor, input)),
  unassign: accountProcedure('role.assign', 'mutate')
    .input(assignRoleInput)
    .mutation(({ ctx, input }) => unassignRole(ctx.deps, ctx.actor, input)),
  setOverride: accountProcedure('override.set', 'mutate')
    .input(setOverrideInput)
    .mutation(({ ctx, input }) => setOverride(ctx.deps, ctx.actor, input)),
});
