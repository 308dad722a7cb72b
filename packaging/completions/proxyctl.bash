# Completion of proxyctl(8) for bash. What there is to complete comes from `proxyctl --help`, so that a new command or
# option needs no change here: an option with the value type PATH, FILE, DIR or DIR|FILE is completed with files.

# Prints "command NAME" and "option NAME TYPE" lines; TYPE is "-" for an option without a value.
_proxyctl_help() {
    "$@" --help 2>/dev/null | awk '
        /^[^ ].*:$/ { section = $1 }
        section == "Subcommands:" && /^  [^ ]/ { print "command", $1 }
        section == "Positionals:" && /^  [^ ]/ { print "positional", $1, $2 }
        /^  -/ {
            type = match($0, /^  [^ ]+ [^ ]/) ? $2 : "-"
            count = split($1, names, ",")
            for (i = 1; i <= count; ++i) print "option", names[i], type
        }'
}

_proxyctl() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' word kind name type
    local -a candidates=()
    # bash splits --option=value and type:name into three words each.
    if [[ $current == = ]]; then
        current=
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word == -* ]] || { command=$word && break; }
    done
    COMPREPLY=()
    while read -r kind name type; do
        case $kind in
        option)
            if [[ $name == "$previous" && $type != - ]]; then
                case $type in
                *PATH* | *FILE* | *DIR*)
                    compopt -o filenames 2>/dev/null
                    mapfile -t COMPREPLY < <(compgen -f -- "$current")
                    ;;
                esac
                return
            fi
            [[ $current == -* ]] && candidates+=("$name")
            ;;
        positional)
            [[ $type == TYPE:NAME && " ${COMP_WORDS[*]:0:COMP_CWORD} " != *" : "* ]] && {
                compopt -o nospace 2>/dev/null
                candidates+=(mysql: pgsql: sqlite:)
            }
            ;;
        command) candidates+=("$name") ;;
        esac
    done < <(_proxyctl_help "${COMP_WORDS[0]}" ${command:+"$command"})
    if [[ $current == : || $previous == : ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "${current#:}")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "${candidates[*]}" -- "$current")
}

complete -F _proxyctl proxyctl
