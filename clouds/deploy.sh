# shellcheck shell=bash
# Shared by clouds/*/deploy, which source this file. It does nothing by itself.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

stop() {
    echo "$1" >&2
    exit 1
}

# needs PROGRAM...: stop if one is missing, or if Terraform is too old.
needs() {
    local program version
    for program; do
        command -v "$program" >/dev/null || stop "$program is not installed. README.md beside deploy lists what is needed."
    done
    version=$(terraform version | sed -n 's/^Terraform v\([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
    [ "$(echo "${version:-0 0}" | awk '{print $1 * 1000 + $2}')" -ge 1005 ] ||
        stop "Terraform 1.5 or newer is needed. This is $(terraform version | head -n 1)"
}

# moved FOLDER: earlier releases kept the state one folder up. An apply without it would make a second counter.
moved() {
    local old here=${PWD#"$root"/}
    old=$(cd .. && find . -maxdepth 1 \( -name '*.tfstate*' -o -name '*.tfvars' -o -name backend.tf \) | sort | sed 's|^\./||' | tr '\n' ' ')
    [ -z "$old" ] || stop "Terraform's files have moved from $(dirname "$here") to $here, and your own are still in the old folder. Move them, then run this again:

    cd $(dirname "$root/$here") && mv ${old}terraform/"
}

# keep FILE NAME VALUE...: save the settings, so that a later `terraform apply -var-file=FILE` asks for none.
keep() {
    [ ! -e "$1" ] || return 0
    printf '%s = "%s"\n' "${@:2}" >"$1"
    terraform fmt "$1" >/dev/null
    echo "Your settings are in ${PWD#"$root"/}/$1."
}

# said FILE VALUE...: the saved settings win; stop if one of these values is not among them.
said() {
    local value
    for value in "${@:2}"; do
        grep -qF "\"$value\"" "$1" ||
            stop "${PWD#"$root"/}/$1 has your settings, and does not have $value. Change it there, then run this again."
    done
}

# bundle CLOUD PYTHON: make build/CLOUD.zip with the cloud's own Python if it is installed, or another.
bundle() {
    local python
    for python in "python$2" python3.13 python3.12 python3.11 python3; do
        if "$python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            (cd "$root" && "$python" -m clouds.bundle "$1")
            return
        fi
    done
    stop "Python 3.11 or newer with pip is needed to make the archive."
}

# show NAME: print one of the stack's outputs.
show() {
    terraform output -raw "$1"
    echo
}
