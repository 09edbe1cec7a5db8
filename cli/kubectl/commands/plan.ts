import packageJson from '../../../package.json' with { type: 'json' };
import type { Context } from '../context.ts';
import { CommandFault, type ExitStatus, exitStatus } from '../exitStatus.ts';

/** `plan [-f FILE]…`: what an edited file would change and restart, as `licence-operator plan` tells it. Writes nothing. */
export async function plan(
  context: Context,
  options: { filename?: readonly string[]; kubeconfig?: string; context?: string; namespace?: string },
): Promise<ExitStatus> {
  if (context.format === 'name' || context.format === 'wide')
    throw new CommandFault('plan takes -o table, json or yaml', undefined, exitStatus.usage);
  const [{ tellPlan }, { settings }] = await Promise.all([
    import('../../../operator/planCommand.ts'),
    import('../../../operator/settings.ts'),
  ]);
  const args = [
    ...(options.filename ?? []).flatMap((file) => ['-f', file]),
    ...(options.namespace === undefined ? [] : ['-n', options.namespace]),
    ...(options.context === undefined ? [] : ['--context', options.context]),
    '-o',
    context.format,
  ];
  const status = await tellPlan(args, {
    env: process.env,
    version: packageJson.version,
    settings,
    ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
    out: context.out,
  });
  return status === 0 ? exitStatus.ok : exitStatus.unwell;
}
