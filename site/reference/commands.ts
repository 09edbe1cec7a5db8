import type { Command } from 'commander';
import { createProgram } from '../../cli/kubectl/program.ts';
import { cell } from './page.ts';

function commandText(command: Command): string {
  const usage = `kubectl licence ${command.name()} ${command.usage()}`.trim();
  const options = command.options
    .filter((option) => !option.hidden)
    .map(({ flags, description, defaultValue }) => {
      const given = defaultValue === undefined || defaultValue === true ? '' : `\`${defaultValue}\``;
      return `| \`${cell(flags)}\` | ${cell(description)} | ${given} |`;
    });
  return [
    `## ${command.name()}`,
    `${command.description()}.`,
    `\`\`\`\n${usage}\n\`\`\``,
    ...(options.length === 0 ? [] : [`| Option | Means | Default |\n|---|---|---|\n${options.join('\n')}`]),
  ].join('\n\n');
}

/** Every command of `kubectl licence`, as it describes itself. */
export function commandsPage(): string {
  const program = createProgram();
  const shown = program.commands.filter((command) => !command.name().startsWith('__'));
  const globals = program.options.map(({ flags, description }) => `| \`${cell(flags)}\` | ${cell(description)} |`);
  return `# Commands
What they are for, exit statuses and rights: [kubectl licence](../docs/kubectl.md).

| Of all commands | |
|---|---|
${globals.join('\n')}

${shown.map(commandText).join('\n\n')}
`;
}
