# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for force-bind(1)

_force_bind() {
        local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} i
        local options='--map= --bind= --deny --auto --ready= --no-main-pid --keep-fds --strict --argv0= --explain --await-end --learn --unit= --verbose --quiet --debug
                       --close-calls= --close-families= --close-capabilities=
                       --help --version -m -b -d -a -v -q -D -h -V'

        # Behind the program, its own completion
        for ((i = 1; i < COMP_CWORD; i++)); do
                case ${COMP_WORDS[i]} in
                --)
                        _command_offset $((i + 1))
                        return
                        ;;
                -m | -b | --map | --bind | --argv0 | --ready | --unit | --close-calls | --close-families | --close-capabilities) ((i++)) ;;
                = | -*) [[ ${COMP_WORDS[i]} == = ]] && ((i++)) ;;
                *)
                        _command_offset "$i"
                        return
                        ;;
                esac
        done

        if [[ $current == = ]]; then
                current=
        elif [[ $previous == = ]]; then
                previous=${COMP_WORDS[COMP_CWORD - 2]}
        fi
        case $previous in
        --close-families) COMPREPLY=($(compgen -W 'AF_UNIX AF_INET AF_INET6 AF_NETLINK' -- "$current")) ;;
        --close-capabilities) COMPREPLY=($(compgen -W 'CAP_SYS_PTRACE CAP_SETPCAP' -- "$current")) ;;
        --ready) COMPREPLY=($(compgen -W 'listen bind exec status no' -- "$current")) ;;
        --unit) COMPREPLY=($(compgen -W "$(systemctl list-unit-files --type=service --no-legend 2>/dev/null |
                                           while read -r unit _; do echo "$unit"; done)" -- "$current")) ;;
        -m | --map | --argv0 | --close-calls) ;;
        -b | --bind) COMPREPLY=($(compgen -W 'sd=0 allow deny' -- "$current")) ;;
        *)
                if [[ $current == -* ]]; then
                        COMPREPLY=($(compgen -W "$options" -- "$current"))
                        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
                else
                        COMPREPLY=($(compgen -c -- "$current"))
                fi
                ;;
        esac
}

complete -F _force_bind force-bind
