#compdef cajal
# Completion of `cajal` for zsh: commands, options, recipes, folders of runs, settings of recipes.

# TABLES

# Of a kind of operand or of an option's value; words in small letters stand for themselves.
_cajal_kind() {
    case $1 in
    RECIPE) _files -g '*.yaml' ;;
    RUN) _cajal_runs ;;
    DIR) _files -/ ;;
    FILE) _files ;;
    COMMAND) compadd -- $(_cajal_commands) ;;
    SET) compadd -- $(_cajal_sets) ;;
    NETWORK) compadd -- $(_cajal_networks) ;;
    key=value) _cajal_setting ;;
    [A-Z]*) return 1 ;;
    *) compadd -- $1 ;;
    esac
}

# Folders of runs; where there is none, the folders that may lead to one.
_cajal_runs() {
    local -a found
    found=(${PREFIX}*/recipe.yaml(N:h) ${PREFIX}*/*/recipe.yaml(N:h))
    if (( $#found )); then compadd -f -- $found; else _files -/; fi
}

# "optimizer.na" becomes a key, "optimizer.name=a" one of its choices.
_cajal_setting() {
    local key=${PREFIX%%=*}
    if [[ $PREFIX != *=* ]]; then compadd -S '' -- $(_cajal_keys); return; fi
    compset -P '*='
    compadd -- $(_cajal_choices $key)
}

_cajal() {
    local command form taken previous word
    local -i place=0 i
    local -a places
    if (( CURRENT == 2 )); then compadd -- $(_cajal_commands) --help --version; return; fi
    command=${words[2]} form=${words[2]} previous=${words[CURRENT - 1]}
    taken=" $(_cajal_options $command) "
    for (( i = 3; i < CURRENT; i++ )); do
        [[ -z $(_cajal_operands $command${words[i]%%=*}) ]] || form=$command${words[i]%%=*}
        if [[ ${words[i]} == --* ]]; then
            [[ $taken != *" ${words[i]}= "* ]] || (( i++ ))
        else
            (( place++ ))
        fi
    done
    if [[ $PREFIX == --*=* ]]; then
        word=${PREFIX%%=*}
        compset -P '*='
        for word in $(_cajal_values $word); do _cajal_kind $word; done
    elif [[ $previous == --* && $taken == *" $previous= "* ]]; then
        for word in $(_cajal_values $previous); do _cajal_kind $word; done
    elif [[ $PREFIX == -* ]]; then
        compadd -- ${=taken//=/}
    else
        places=($(_cajal_operands $form))
        while (( place > 0 && $#places > 1 )) && [[ $places[2] != ... ]]; do shift places; (( place-- )); done
        (( place == 0 )) || [[ ${places[2]-} == ... ]] || return 1
        for word in ${(s:|:)places[1]}; do _cajal_kind $word; done
    fi
}

_cajal "$@"
