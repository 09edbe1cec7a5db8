import { z } from 'zod';
import { oneOf, type Setting } from '../runtime/config.ts';
import { quantityOf } from './kube/quantity.ts';

const example = '{"requests":{"memory":"256Mi"},"limits":{"memory":"1Gi"}}';
const amounts = z.record(z.string(), z.union([z.string(), z.number()])).optional();
const form = z.strictObject({ requests: amounts, limits: amounts });
type Resources = z.output<typeof form>;

const resources = (help: string): Setting<Resources | undefined> => ({
  help: `${help}, as JSON: ${example}`,
  schema: z
    .string()
    .optional()
    .transform((text, ctx) => {
      const refuse = (message: string) => {
        ctx.addIssue({ code: 'custom', message });
        return z.NEVER;
      };
      if (text === undefined || text.trim() === '' || text.trim() === '{}') return undefined;
      let read: unknown;
      try {
        read = JSON.parse(text);
      } catch {
        return refuse(`must be JSON such as ${example}, not "${text}"`);
      }
      const found = form.safeParse(read);
      if (!found.success) return refuse(`must be JSON such as ${example}, not "${text}"`);
      for (const [part, of] of Object.entries(found.data)) {
        for (const [name, amount] of Object.entries(of ?? {})) {
          if (quantityOf(String(amount)) === undefined)
            return refuse(`is not usable: ${part}.${name} is "${amount}", which is no quantity`);
        }
      }
      return found.data;
    }),
});

const secretNames = (help: string): Setting<readonly { readonly name: string }[] | undefined> => ({
  help: `${help}, separated by commas`,
  schema: z
    .string()
    .optional()
    .transform((text, ctx) => {
      const names = (text ?? '').split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));
      const wrong = names.find((name) => name.length > 253 || !/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name));
      if (wrong !== undefined) {
        ctx.addIssue({ code: 'custom', message: `must be names of Secrets; "${wrong}" is none` });
        return z.NEVER;
      }
      return names.length === 0 ? undefined : [...new Set(names)].map((name) => ({ name }));
    }),
});

/** What the pods of every LicenceServer get that does not say otherwise itself. */
export const podSettings = {
  OPERATOR_FIXED_IDS: oneOf(
    "whether licence servers' pods name uid and gid (10001) themselves; Auto: unless the cluster is OpenShift",
    ['Auto', 'Enabled', 'Disabled'],
    'Auto',
  ),
  OPERATOR_SERVER_PULL_SECRETS: secretNames("Secrets for a private registry, in each licence server's namespace"),
  OPERATOR_SERVER_RESOURCES: resources('resources of licence servers that name none'),
} as const;
