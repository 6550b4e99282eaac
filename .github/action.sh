#!/usr/bin/env bash
# The step of action.yml. It runs by hand, too:
#   ABICLASH_COMMAND=scan ABICLASH_TARGETS="numpy scipy" ABICLASH_INSTALL=. .github/action.sh
set -euo pipefail

command=${ABICLASH_COMMAND:-scan} format=${ABICLASH_FORMAT:-sarif} fail_on=${ABICLASH_FAIL_ON:-error}
report=${ABICLASH_OUTPUT:-}
case $command in scan | check | env) ;; *)
  echo "abiclash: command '$command': one of scan, check, env" >&2
  exit 2
  ;;
esac

venv=${RUNNER_TEMP:-/tmp}/abiclash-venv
[ -x "$venv/bin/abiclash" ] || {
  "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${ABICLASH_INSTALL:-.}"
}

# Words of inputs are split at blanks and expanded as patterns, on purpose; nothing else of the shell applies to them.
arguments=("$command")
# shellcheck disable=SC2206
arguments+=(${ABICLASH_TARGETS:-} ${ABICLASH_ARGS:-})
[ "$command" = check ] || arguments+=(--fail-on "$fail_on")
[ -z "${ABICLASH_AGAINST:-}" ] || arguments+=(--against "$ABICLASH_AGAINST")
[ -z "${ABICLASH_PYTHON:-}" ] || arguments+=(--python "$ABICLASH_PYTHON")
for file in ${ABICLASH_REQUIREMENTS:-}; do arguments+=(-r "$file"); done

status=0
"$venv/bin/abiclash" "${arguments[@]}" || status=$?

if [ "$format" = none ] || [ "$status" = 2 ]; then
  report=
else # the facts are known now: this is much faster than the first time
  report=${report:-abiclash-report.$format}
  "$venv/bin/abiclash" "${arguments[@]}" --format "$format" -o "$report" || [ $? != 2 ]
fi
printf 'status=%s\nreport=%s\n' "$status" "$report" >>"${GITHUB_OUTPUT:-/dev/null}"

# What could not be read is told in the report; it fails the job only together with findings.
[ "$status" != 3 ] || status=0
exit "$status"
