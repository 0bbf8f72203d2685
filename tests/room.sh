#!/bin/sh
# A new directory for what tests write: in memory where there is plenty of it, because a disk makes them wait for each
# commit; what survives a kill is the same there. Prints its name; who asked for it removes it.
set -eu
in_memory=/dev/shm
needed_kib=6291456
free_kib() { df -Pk "$1" 2>/dev/null | awk 'NR == 2 { print $4 }'; }
unused_kib() { awk '/^MemAvailable:/ { print $2 }' /proc/meminfo 2>/dev/null; }
place=${TMPDIR:-/tmp}
if [ -w "$in_memory" ] && [ "$(free_kib "$in_memory")" -gt "$needed_kib" ] && [ "$(unused_kib)" -gt $((needed_kib * 2)) ]; then
    try=$(mktemp "$in_memory/rewards-XXXXXX")
    printf '#!/bin/sh\nexit 0\n' > "$try"
    chmod 700 "$try"
    if "$try" 2>/dev/null; then place=$in_memory; fi
    rm -f "$try"
fi
# A short name: sockets live below it, and their paths may have a hundred characters.
room=$(mktemp -d "$place/rXXXXXX")
chmod 755 "$room" # the database servers run as another user
echo "$room"
