# Completion of proxyctl(8) for fish. What there is to complete comes from `proxyctl --help`, so that a new command or
# option needs no change here: an option with the value type PATH, FILE, DIR or DIR|FILE is completed with files.

function __proxyctl_candidates
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l previous $words[-1]
    set -l command
    for word in $words[2..-1]
        if not string match -q -- '-*' $word
            set command $word
            break
        end
    end
    set -l section
    for line in ($words[1] $command --help 2>/dev/null)
        if string match -qr '^[^ ].*:$' -- $line
            set section $line
        else if set -l found (string match -r '^  (-[^ ]+)( [^ ]+)?.*?(?:  +([^ ].*))?$' -- $line)
            for name in (string split , -- $found[2])
                if test "$name" = "$previous" -a -n "$found[3]"
                    string match -qr 'PATH|FILE|DIR' -- $found[3]; and __fish_complete_path $current
                    return
                end
                string match -q -- '-*' $current; and printf '%s\t%s\n' $name "$found[4]"
            end
        else if test "$section" = Subcommands:
            set -l found (string match -r '^  ([^ ]+) +(.*)$' -- $line); and printf '%s\t%s\n' $found[2] $found[3]
        end
    end
end

complete -c proxyctl -f -a '(__proxyctl_candidates)'
