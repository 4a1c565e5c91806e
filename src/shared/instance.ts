// The instance: what a signed-out browser may know, and its owner's first settings.
import * as z from 'zod/mini';
import { limits } from './limits.ts';

export const registrationModeSchema = z.enum(['open', 'invite', 'closed']);
export type RegistrationMode = z.infer<typeof registrationModeSchema>;

export const instanceNameSchema = z
  .string()
  .check(z.trim(), z.minLength(1), z.maxLength(limits.instanceNameMax));

export const configureInstanceInput = z.object({
  name: instanceNameSchema,
  registration: registrationModeSchema,
});

export interface InstanceInfo {
  readonly name: string;
  readonly version: string;
  readonly registration: RegistrationMode;
  /** `open`: no owner yet and this browser may set up without a token; `token`: it needs the printed one. */
  readonly setup: 'done' | 'open' | 'token';
}
