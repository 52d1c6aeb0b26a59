# Completion of `cajal` for bash: commands, options, recipes, folders of runs, settings of recipes.

# TABLES

# Replies with those of the words in $1 that go on from what is typed. After a word that ends in "=" comes no space.
_cajal_offer() {
    COMPREPLY+=($(compgen -W "$1" -- "$current"))
    [[ ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
}

# Folders, and files whose names end as the pattern $1 says; without it, folders alone.
_cajal_files() {
    local path
    compopt -o filenames 2>/dev/null
    while read -r path; do
        if [[ -d $path || ( -n ${1-} && $path == *$1 ) ]]; then COMPREPLY+=("$path"); fi
    done < <(compgen -f -- "$current")
}

# Folders of runs; where none begins like this, the folders that may lead to one.
_cajal_runs() {
    local file
    for file in "$current"*/recipe.yaml "$current"*/*/recipe.yaml; do
        [[ ! -f $file ]] || COMPREPLY+=("${file%/recipe.yaml}")
    done
    [[ ${#COMPREPLY[@]} -gt 0 ]] || _cajal_files
}

# Of a kind of operand or of an option's value; words in small letters stand for themselves.
_cajal_kind() {
    case $1 in
    RECIPE) _cajal_files .yaml ;;
    RUN) _cajal_runs ;;
    DIR) _cajal_files ;;
    FILE) _cajal_files '*' ;;
    COMMAND) _cajal_offer "$(_cajal_commands)" ;;
    SET) _cajal_offer "$(_cajal_sets)" ;;
    NETWORK) _cajal_offer "$(_cajal_networks)" ;;
    key=value) _cajal_setting ;;
    [A-Z]*) ;;
    *) _cajal_offer "$1" ;;
    esac
}

# "optimizer.na" becomes a key, "optimizer.name=a" one of its choices.
_cajal_setting() {
    local key=${current%%=*}
    if [[ $current != *=* ]]; then _cajal_offer "$(_cajal_keys)"; return; fi
    _cajal_value "$key=" "$(_cajal_choices "$key")"
}

# What stands behind $1 in the word being typed is one of the words or kinds in $2. Where readline ends words at "=",
# the reply is the part behind it.
_cajal_value() {
    local prefix=$1 whole=$current i
    current=${current#"$1"}
    [[ -z $2 ]] || _cajal_kind "$2"
    current=$whole
    [[ $COMP_WORDBREAKS == *=* ]] || for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=$prefix${COMPREPLY[i]}; done
}

# The operand in place $2 of the command whose places are the rest of the arguments.
_cajal_operand() {
    local place=$1 kind
    shift
    while [[ $place -gt 0 && $# -gt 1 && $2 != ... ]]; do shift; place=$((place - 1)); done
    if [[ $place -gt 0 && ${2-} != ... ]]; then return; fi
    for kind in ${1//|/ }; do _cajal_kind "$kind"; done
    if [[ $1 == *"|"* && ${#COMPREPLY[@]} -gt 1 ]]; then # two kinds may offer the same
        mapfile -t COMPREPLY < <(printf '%s\n' "${COMPREPLY[@]}" | sort -u)
    fi
}

# Sets `words` to what is typed, up to the cursor: an override or --option=value is one word again.
_cajal_join() {
    local i glue=
    words=()
    for ((i = 1; i <= COMP_CWORD; i++)); do
        if [[ ${#words[@]} -gt 1 && ( -n $glue || ${COMP_WORDS[i]} == = ) ]]; then
            words[${#words[@]} - 1]+=${COMP_WORDS[i]}
        else
            words+=("${COMP_WORDS[i]}")
        fi
        glue=
        [[ ${COMP_WORDS[i]} != = ]] || glue=yes
    done
}

_cajal() {
    local words current previous command taken form i place=0
    COMPREPLY=()
    _cajal_join
    current=${words[${#words[@]} - 1]-}
    if [[ ${#words[@]} -le 1 ]]; then _cajal_offer "$(_cajal_commands) --help --version"; return; fi
    command=${words[0]} previous=${words[${#words[@]} - 2]} form=$command
    taken=" $(_cajal_options "$command") "
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        [[ -z $(_cajal_operands "$command${words[i]%%=*}") ]] || form=$command${words[i]%%=*}
        if [[ ${words[i]} == --* ]]; then
            [[ $taken != *" ${words[i]}= "* ]] || i=$((i + 1))
        else
            place=$((place + 1))
        fi
    done
    if [[ $current == --*=* ]]; then
        _cajal_value "${current%%=*}=" "$(_cajal_values "${current%%=*}")"
    elif [[ $previous == --* && $taken == *" $previous= "* ]]; then
        for i in $(_cajal_values "$previous"); do _cajal_kind "$i"; done
    elif [[ $current == -* ]]; then
        _cajal_offer "${taken//=/}"
    else
        _cajal_operand $place $(_cajal_operands "$form")
    fi
}

complete -F _cajal cajal
