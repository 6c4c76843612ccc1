#!/usr/bin/env bash
# rabbitmq40.sh: runs on RabbitMQ 4.0 alone what is tested on every kind of broker; installs that RabbitMQ where it is missing,
# as root on Debian. For a build that is up to date.
set -euo pipefail
cd "$(dirname "$0")/../.."

export WARREN_RABBITMQ4_ROOT=${WARREN_RABBITMQ4_ROOT:-/var/cache/warren/rabbitmq4}
export WARREN_BROKER='RabbitMQ 4.0'
test/helpers/install-rabbitmq.sh trixie "$WARREN_RABBITMQ4_ROOT"
cd test
mapfile -t files < <(grep -rlE --include='*.test.ts' "contract/brokers.ts'|'./brokers.ts'" . | sed 's#^\./##' | sort)
cd ..
WARREN_TEST_JOBS=1 exec node dist/test/helpers/run.js "${files[@]}"
