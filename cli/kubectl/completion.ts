import type { Command, Option } from 'commander';
import type { Cluster } from './cluster.ts';
import { licenceServers } from './cluster.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** The script that a shell sources, for the program under its own name. As a plugin, kubectl itself asks `kubectl_complete-licence`. */
export const scripts: Readonly<Record<Shell, string>> = {
  bash: `_kubectl_licence() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(kubectl-licence __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | grep -v '^:')" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _kubectl_licence kubectl-licence
`,
  zsh: `#compdef kubectl-licence
_kubectl_licence() {
  local -a found
  found=("\${(@f)$(kubectl-licence __complete "\${(@)words[2,CURRENT]}" 2>/dev/null | grep -v '^:')}")
  compadd -a found
}
compdef _kubectl_licence kubectl-licence
`,
  fish: `complete -c kubectl-licence -f -a '(kubectl-licence __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null | string match -v ":*")'
`,
};

/**
 * What may stand in the place of the last word: commands, options, names of LicenceServers, names of keys.
 * @param words what was typed after the program's name; the last may be empty
 */
export async function candidates(
  program: Command,
  words: readonly string[],
  open: () => Cluster,
): Promise<readonly string[]> {
  const typed = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const command = program.commands.find((one) => before.includes(one.name()));
  const fits = (all: readonly string[]) => all.filter((one) => one.startsWith(typed));
  if (typed.startsWith('-')) {
    const options = [...(command?.options ?? []), ...program.options];
    return fits(options.flatMap(({ long }) => long ?? []));
  }
  if (command === undefined) {
    return fits(program.commands.map((one) => one.name()).filter((name) => !name.startsWith('__')));
  }
  const args = argumentsIn(before.slice(before.indexOf(command.name()) + 1), [...command.options, ...program.options]);
  const takes =
    command.registeredArguments[args.length] ?? command.registeredArguments.find(({ variadic }) => variadic);
  if (takes === undefined) return [];
  const cluster = open();
  try {
    if (takes.name() === 'name') {
      return fits((await licenceServers(cluster, cluster.namespace)).map(({ metadata }) => metadata.name));
    }
    if (takes.name() === 'key') {
      const server = (await licenceServers(cluster, cluster.namespace)).find(
        ({ metadata }) => metadata.name === args[0],
      );
      const { keys = [] } = (server?.spec ?? {}) as { readonly keys?: readonly { readonly name: string }[] };
      return fits(keys.map(({ name }) => name));
    }
    return takes.argChoices === undefined ? [] : fits(takes.argChoices);
  } finally {
    await cluster.client.close();
  }
}

/** The words that are neither options nor their values. */
function argumentsIn(words: readonly string[], options: readonly Option[]): readonly string[] {
  const takesValue = (word: string) =>
    options.some(({ long, short, required }) => (word === long || word === short) && required);
  return words.filter((word, at) => !word.startsWith('-') && !takesValue(words[at - 1] ?? ''));
}
