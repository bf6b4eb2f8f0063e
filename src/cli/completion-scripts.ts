/** Scripts that complete the words of `ingot` in a shell. The words stand in them; names of models are asked for as they are wanted. */
import type { CommandWords, OptionWords, ValueKind } from './completion-words.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export function completionScript(shell: Shell, commands: readonly CommandWords[]): string {
  const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript };
  return scripts[shell](commands);
}

const quoted = (text: string) => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** A line of a `case` that says what a value may be. */
function kindLine(pattern: string, kind: ValueKind): string {
  const [name, choices] = typeof kind === 'string' ? [kind, ''] : ['choices', kind.choices.join(' ')];
  return `    ${pattern}) kind=${name}${choices === '' ? '' : ` choices=${quoted(choices)}`} ;;`;
}

function valueLines({ name, options }: CommandWords): readonly string[] {
  return options.flatMap(({ flags, value }) =>
    value === undefined ? [] : [kindLine(flags.map((flag) => quoted(`${name} ${flag}`)).join('|'), value)],
  );
}

/**
 * What bash and zsh share: from the words before the one under the cursor, `command` and `previous`, to what it may be: `kind`, `choices`,
 * `options`, `names`.
 */
function tables(commands: readonly CommandWords[]): string {
  return `_ingot_words() {
  kind= choices= options= names=
  case "$command $previous" in
${commands.flatMap(valueLines).join('\n')}
  esac
  [ -n "$kind" ] && return
  case "$command" in
${commands
  .map(({ name, options, argument, commands: names }) => {
    const flags = options.flatMap((option) => option.flags).join(' ');
    const [kind, choices] = typeof argument === 'string' ? [argument, ''] : ['choices', argument.choices.join(' ')];
    return `    ${quoted(name)}) kind=${kind} choices=${quoted(choices)} names=${quoted(names.join(' '))} options=${quoted(flags)} ;;`;
  })
  .join('\n')}
  esac
}

# The command that the words are about: of those that have others below them, both.
_ingot_command() {
  command= previous=
  local word
  for word in "$@"; do
    case "$command:$word" in
${nestedLines(commands)}
      :-*) ;;
      :*) case ' ${commands[0]!.commands.join(' ')} ' in *" $word "*) command="$word" ;; esac ;;
    esac
    previous="$word"
  done
}
`;
}

function nestedLines(commands: readonly CommandWords[]): string {
  return commands
    .filter(({ name, commands: names }) => name !== '' && name !== 'help' && names.length > 0)
    .map(({ name, commands: names }) => `      ${names.map((each) => quoted(`${name}:${each}`)).join('|')}) command="${name} $word" ;;`)
    .join('\n');
}

function bashScript(commands: readonly CommandWords[]): string {
  return `# Completion of ingot for bash: source <(ingot completions bash), in ~/.bashrc.
${tables(commands)}
_ingot_files() {
  local IFS=$'\\n'
  COMPREPLY+=($(compgen "$1" -- "$current"))
  compopt -o filenames 2>/dev/null
}

_ingot() {
  local command previous kind choices options names line current word
  local -a words
  COMPREPLY=()
  # Bash divides words at colons, which names of models have.
  line="\${COMP_LINE:0:COMP_POINT}"
  read -ra words <<< "$line"
  current="\${line##*[[:space:]]}"
  [ -n "$current" ] && unset "words[\${#words[@]}-1]"
  _ingot_command "\${words[@]:1}"
  case "$current" in
    --*=*) previous="\${current%%=*}" current="\${current#*=}" ;;
  esac
  _ingot_words
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) && return ;;
  esac
  COMPREPLY=($(compgen -W "$names $choices" -- "$current"))
  if [ "$kind" = model ]; then
    COMPREPLY+=($(compgen -W "$(ingot completions models 2>/dev/null)" -- "$current"))
  fi
  case "$kind" in
    model) [ "\${#COMPREPLY[@]}" = 0 ] && _ingot_files -f ;;
    file) _ingot_files -f ;;
    folder) _ingot_files -d ;;
  esac
  case "$COMP_WORDBREAKS$current" in
    *:*:*)
      word="\${current%"\${current##*:}"}"
      COMPREPLY=("\${COMPREPLY[@]#"$word"}")
      ;;
  esac
  return 0
}
complete -F _ingot ingot
`;
}

function zshScript(commands: readonly CommandWords[]): string {
  return `#compdef ingot
# Completion of ingot for zsh: ingot completions zsh > a folder of fpath/_ingot; or source <(ingot completions zsh) behind compinit.
${tables(commands)}
_ingot() {
  local command previous kind choices options names
  local word="\${words[CURRENT]}"
  _ingot_command "\${(@)words[2,CURRENT-1]}"
  if [[ "$word" == --*=* ]]; then
    previous="\${word%%=*}"
    word=
    compset -P '*='
  fi
  _ingot_words
  if [[ "$word" == -* ]]; then
    compadd -- \${=options}
    return
  fi
  compadd -- \${=names} \${=choices}
  case "$kind" in
    model) compadd -- \${(f)"$(ingot completions models 2>/dev/null)"}; _files ;;
    file) _files ;;
    folder) _files -/ ;;
  esac
}
if [ "\${funcstack[1]}" = _ingot ]; then _ingot "$@"; else compdef _ingot ingot; fi
`;
}

function fishScript(commands: readonly CommandWords[]): string {
  const [bare, ...named] = commands as [CommandWords, ...CommandWords[]];
  const none = `not __fish_seen_subcommand_from ${bare.commands.join(' ')}`;
  const lines = [
    ...named.filter(({ name }) => name !== 'help' && !name.includes(' ')).map(({ name, description }) => fishWord(none, name, description)),
    ...fishLines(bare, none),
    ...named.flatMap((words) => fishLines(words, seen(words.name))),
  ];
  const head = '# Completion of ingot for fish: ingot completions fish > ~/.config/fish/completions/ingot.fish\ncomplete -c ingot -f';
  return `${head}\n${lines.join('\n')}\n`;
}

const seen = (name: string) => name.split(' ').map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');

function fishLines({ name, options, argument, commands }: CommandWords, condition: string): readonly string[] {
  const below = name === '' ? [] : commands.map((each) => fishWord(condition, each, ''));
  const values = fishValues(argument);
  const argumentLine = values === '' ? [] : [`complete -c ingot -n ${quoted(condition)}${values}`];
  return [...options.map((option) => fishOption(option, condition)), ...below, ...argumentLine];
}

function fishWord(condition: string, name: string, description: string): string {
  return `complete -c ingot -n ${quoted(condition)} -a ${quoted(name)}${description === '' ? '' : ` -d ${quoted(description)}`}`;
}

function fishOption({ flags, description, value }: OptionWords, condition: string): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`)).join(' ');
  const values = value === undefined ? '' : ` -r${fishValues(value) || ' -f'}`;
  return `complete -c ingot -n ${quoted(condition)} ${names}${values} -d ${quoted(description)}`;
}

function fishValues(kind: ValueKind): string {
  if (typeof kind !== 'string') return ` -f -a ${quoted(kind.choices.join(' '))}`;
  const values: Readonly<Record<Exclude<ValueKind, object>, string>> = {
    model: ` -F -a ${quoted('(ingot completions models 2>/dev/null)')}`,
    file: ' -F',
    folder: ` -f -a ${quoted('(__fish_complete_directories)')}`,
    none: '',
  };
  return values[kind];
}
