/** `weft completion`: scripts made from the command table, so they can not fall behind it. */
import type { Command } from 'commander';
import { KIND_NAMES, kindInfo } from '@weft/contracts/config';
import { WeftError } from '@weft/kit';

interface Entry {
  readonly name: string;
  readonly description: string;
  readonly flags: readonly string[];
}

export function completion(shell: string, program: Command): Promise<number> {
  const entries = program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    flags: command.options.flatMap((option) => (option.long ? [option.long] : [])),
  }));
  const kinds = KIND_NAMES.map((kind) => kindInfo(kind).plural);
  const scripts: Record<string, () => string> = {
    bash: () => bash(entries, kinds),
    zsh: () => `autoload -U +X bashcompinit && bashcompinit\n${bash(entries, kinds)}`,
    fish: () => fish(entries, kinds),
  };
  const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
  if (!script)
    throw new WeftError('WEFT_USAGE', `unknown shell "${shell}"`, {
      fix: `use one of: ${Object.keys(scripts).join(', ')}`,
    });
  process.stdout.write(script());
  return Promise.resolve(0);
}

function bash(entries: readonly Entry[], kinds: readonly string[]): string {
  const cases = entries.map((entry) => {
    const words = ['get', 'delete'].includes(entry.name) ? [...entry.flags, ...kinds] : entry.flags;
    return `    ${entry.name}) words="${words.join(' ')}" ;;`;
  });
  return `# bash completion for weft: source <(weft completion bash)
_weft() {
  local words="${entries.map((entry) => entry.name).join(' ')}"
  if [ "$COMP_CWORD" -gt 1 ]; then
    case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _weft weft
`;
}

function fish(entries: readonly Entry[], kinds: readonly string[]): string {
  const quote = (text: string): string => `'${text.replaceAll("'", "\\'")}'`;
  const lines = entries.flatMap((entry) => [
    `complete -c weft -n __fish_use_subcommand -a ${entry.name} -d ${quote(entry.description)}`,
    ...entry.flags.map((flag) => `complete -c weft -n '__fish_seen_subcommand_from ${entry.name}' -l ${flag.slice(2)}`),
  ]);
  return `# fish completion for weft: weft completion fish | source
${lines.join('\n')}
complete -c weft -n '__fish_seen_subcommand_from get delete' -a ${quote(kinds.join(' '))}
`;
}
