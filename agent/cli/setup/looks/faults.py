"""Every fault that `doctor` knows by name: what it means and what cures it. Data; the manual's page is made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

_ON_DISK = """
configuration-invalid
  config.toml has faults, or asks for what this version does not do
  → correct the lines that are named
setting-idle
  a setting that does nothing without another, such as a source that posts without `[http]` to post to
  → add the other, or take it out
rules-invalid
  the rules have faults; a running agent goes on with the last good ones
  → `rewards-agent rules check`
rules-doubtful
  the rules load, and something in them can hardly be meant so
  → read the sentence; it says what is unreachable or never acts
files-open
  other users of the machine may change the configuration or the rules
  → `chmod go-w` as told
restart-needed
  config.toml was changed after the agent started
  → `systemctl restart rewards-agent`
secret-missing
  a file with a password, token or key is not there
  → write it, mode 0600
secret-open
  others may read a secret
  → `chmod 600` as told; then change the secret
secret-unusable
  a secret is empty, no text, or another user's
  → write it again, mode 0600, owned by the agent's user
secret-blank
  a secret begins or ends with a blank, an empty line, a byte-order mark or quotation marks, which count as part of it
  → write it again without: `printf %s`
data-directory-missing
  the directory of the ledger is not there yet
  → start the agent once, or make it
data-directory-unusable
  the directory of the ledger cannot be written
  → the agent's user must own it
data-directory-open
  others may read who earned what
  → `chmod 700` as told
disk-read-only
  the file system of the ledger is read-only
  → `dmesg` says why; check it and mount it again; nothing is lost meanwhile
disk-full
  less than 200 MB are left
  → free some space; nothing is lost meanwhile
disk-filling
  less than 2 GB are left
  → free some space in time
killed-often
  three times or more within a day the service was killed, or failed, and was started again
  → the journal says why; for `oom-kill` raise `MemoryMax=` of the unit; nothing is lost
sqlite-old
  the machine's SQLite is too old for the ledger
  → a newer libsqlite3
ledger-gone
  there was a ledger, and the file is gone or empty
  → put a backup back
ledger-damaged
  the ledger's file is damaged
  → put the newest good backup back
ledger-newer
  a newer version of the program wrote the ledger
  → install that version again
ledger-older
  the ledger waits for its upgrade
  → start the agent once
ledger-locked
  another program holds the ledger
  → `lsof` says which
ledger-unusable
  the ledger cannot be read
  → as told
ledger-of-another
  config.toml names another campus or environment than the ledger was begun for: the agent does not start
  → set it back, or give this agent a `data_dir` of its own
chain-broken
  an entry does not follow from those before it: something besides the agent wrote into the ledger
  → `rewards-agent ledger verify` says where; put the newest backup from before back
inbox-damaged
  the file that keeps what is posted is damaged or cannot be read: the agent does not start
  → stop the agent, move the file away, and let the systems post again
text-key-lost
  the key under which texts are digested is another, so that texts from before are not known again
  → put `text.key` of a backup back; otherwise nothing
backup-old
  no backup was ever made, or the last one is older than `[agent] backup_within`
  → `systemctl enable --now rewards-agent-backup.timer`; at once: `rewards-agent backup`
erasure-unfinished
  an erasure was begun and broken off: the person is marked, and still in the ledger, posts or copies
  → `rewards-agent learner erase` as told: it finishes
"""
_OF_MOODLE = """
resolver-silent
  nobody answers who a host of the configuration is: the resolver takes the question and says nothing
  → start it, or name another in `/etc/resolv.conf`; nothing is lost
database-unreachable
  Moodle's database does not answer
  → start it, or correct `url`
database-full
  the database answers, and has no connection left for us
  → raise the limit that is named, or find who holds them (`SHOW PROCESSLIST`)
database-failing
  the database answers and breaks off
  → see its own log; the agent tries again
account-refused
  wrong user or password, no account for this host, or one that is locked or expired
  → what is told; or run `rewards-agent init` again: it prints the statements
database-unknown
  there is no such database, or the account may not use it
  → correct the end of `url`
certificate-untrusted
  the database, the catalogue or a system shows a certificate that is not believed
  → as told: name its authority (`ssl_ca`, `ca_file`), correct the host, or have it renewed
tls-missing
  `ssl_ca` asks for TLS, and the database speaks none
  → give the server a certificate, or take `ssl_ca` out
log-table-unreadable
  wrong table prefix, or no right to read the log
  → compare `$CFG->prefix`, or run the GRANT
log-format-unknown
  the log table lacks columns, or its details are in no known form
  → see which log store writes it
grant-missing
  a table cannot be read; the rules that lose facts are named
  → run the GRANT that is printed
columns-missing
  a table of Moodle lacks columns that are read; the rules that lose facts are named
  → finish Moodle's upgrade, or update the agent
write-access
  the account or the web service may change something
  → the REVOKE that is printed
reads-too-much
  the account may read secrets of Moodle
  → grant table by table
name-ambiguous
  what the rules call a course, category or cohort is the name of several; nothing is paid by it
  → name it by its id, path or idnumber
name-unknown
  the rules name what is not there: nobody is paid for it, or a programme cannot be completed
  → correct the name or take it out; `rewards-agent rules check --site`
log-empty
  the log has no rows
  → enable the standard log
log-store-off
  the site is in use, and its log is not written
  → enable the standard log again
log-silent
  the newest row is more than a day old
  → is this the live database?
log-in-the-future
  Moodle's web servers are ahead of the database
  → set their clocks
retention-short
  Moodle deletes its log after less than an outage may last
  → keep logs longer
start-kept
  `start_at` was edited after the first run, which keeps it: nothing comes of the edit
  → write what holds
log-rows-lost
  rows of the log were removed before they were read; told for 30 days
  → `rewards-agent review list`; keep logs longer
retries-short
  what is posted is given up on after less than an outage may last, and no log tells it
  → let tool_trigger try longer
clock-skew
  two machines' clocks disagree
  → `timedatectl set-ntp true` on both
time-zone-mismatch
  the rules count days where the site's people do not live
  → correct `timezone` in the rules
cron-silent
  Moodle's cron does not run
  → run `admin/cli/cron.php` every minute
task-off
  a scheduled task of Moodle is switched off from which something comes that rules wait for
  → switch it on: Site administration → Server → Tasks → Scheduled tasks
workflow-off
  a workflow of tool_trigger is switched off, of an event that rules wait for
  → switch it on: Site administration → Plugins → Admin tools → Event Trigger → Manage
task-failing
  such a task fails again and again
  → its log in Moodle says why
completion-tracking-off
  no course tracks completion, so nothing is ever completed
  → enable completion tracking
completion-never-logged
  nothing is completed on the site
  → set completion conditions, or see what the log store takes
web-service-unusable
  Moodle's web services do not answer or do not let us in
  → check address and token
web-service-blind
  the service's user sees no course
  → give its role the right at the site
function-missing
  the service lacks a function or its user a right; the rules that lose facts are named
  → add it
token-in-clear
  the service's token goes over the network in clear
  → write https://
source-stopped
  the log is no longer the log it was
  → find out why, then `rewards-agent source accept-rewind`
source-failing
  the program fails on a source in a way that it does not expect; other sources go on
  → update the agent, or report the line to its makers; it is tried again by itself
events-set-aside
  events or posts could not be taken and stand aside with their place and reason; all others went on
  → update the agent, then `rewards-agent events requeue --source NAME`
source-unread
  the source was not read for five minutes
  → is the agent running?
gaps-many
  a thousand ids or more are missing and waited for
  → compare the servers' auto-increment settings
feed-quiet
  a feed tells far less than its own weeks let expect
  → look at site, cron, log store and posts
"""
_AT_THE_EDGES = """
agent-not-running
  posts should be taken, and no agent answers; it fails where no log tells the same acts as well
  → start the agent, read its journal
port-taken
  no agent runs, and where it should listen it cannot: another program has the port, or the address is not ours
  → stop the other program, or correct `listen` as told
door-silent
  nothing answers where posts should be taken
  → restart the agent, read its journal
posts-address
  posts came from an address that `allow_ips` does not let in; the newest is named
  → add the sender to `allow_ips`, or your proxy to `trusted_proxies`
posts-credential
  posts showed no token or signature that fits
  → compare the sender's with the files named in config.toml
posts-unproven
  a source asks who posts for no token and no signature: what comes is believed little, and mostly held
  → make a token, and name it in `bearer_token_files`
posts-refused
  posts were answered with something else than 200, by status and reason
  → read the reasons: mostly the sender's template
system-unreachable
  a system that is asked does not answer or does not let us in
  → check its address and secret
certificate-expires
  a certificate ends within three weeks
  → renew it
certificate-expired
  a certificate has ended
  → renew it, restart
certificate-unusable
  a certificate cannot be read
  → put a PEM file there
key-old
  the signing key is more than two years old
  → `rewards-agent key rotate`
callback-unusable
  a callback's secret or address cannot be used
  → as told
callback-failing
  a receiver does not take what it is told
  → `rewards-agent callback test NAME`
nobody-agreed
  learners are asked first and nobody has agreed, so that nobody earns
  → `rewards-agent learner opt-in`, or a cohort or profile field in `[privacy] agreed`
holds-wait
  held decisions wait too long for a person
  → `rewards-agent review list`
scheduled-failed
  a scheduled run failed
  → `rewards-agent scheduled show NAME`
scheduled-late
  a scheduled run waits for a source or a person
  → `rewards-agent scheduled list`
draw-waits
  a draw waits for the catalogue's receipt
  → `rewards-agent sync status`
signing-key-unusable
  the signing key is missing, open to others, or no key
  → `rewards-agent key new`, or `chmod 600`
recovery-key-missing
  a lost disk would lose who the pseudonyms are
  → `rewards-agent key recovery`
recovery-key-unusable
  the recovery key's public half cannot be read
  → put it back
catalogue-unreachable
  the catalogue does not answer
  → nothing, while it is down: it is tried again
catalogue-refuses
  the catalogue says no
  → ask its operator
catalogue-hidden
  something before the catalogue, such as a proxy, answers in its place
  → as told; the proxy's own log says more
catalogue-forged
  what answers is not the catalogue that was enrolled with
  → compare `url`; see what stands between
not-enrolled
  the catalogue does not know this agent yet
  → `rewards-agent enrol TOKEN`
agent-unknown
  the catalogue does not know this agent's key
  → enrol again with a token for this agent
agent-revoked
  the operator revoked this agent
  → make a new key, enrol it
campus-suspended
  the operator suspended the campus
  → ask
campus-closed
  the operator closed the campus at the catalogue, for good
  → ask; without `[catalogue]` the agent records and delivers nothing
key-mismatch
  the key file is another one than was enrolled
  → put that one back, or enrol again
key-refused
  our signature does not verify there
  → compare the clocks; see what a proxy changes
posts-undelivered
  posts that no log holds are on this disk alone: a lost disk would take them with it
  → `rewards-agent sync now`; see why it does not deliver: `rewards-agent sync status`
link-says-nothing
  a source that is trusted to say who is who tells nothing that `link_by` compares: its learners are linked with nobody
  → take it out of `sources_trusted_to_link`, or add to `link_by` what it tells
link-keys-differ
  another agent of the campus compares people under another link key
  → carry one key to all of them: `rewards-agent key link`
catalogue-behind
  the catalogue was put back from an older copy
  → nothing: what it lacks is sent again
ledger-behind
  this ledger is an older copy of what was delivered
  → docs/ops/recovery.md
histories-differ
  agent and catalogue keep different histories
  → docs/ops/recovery.md
delivery-stopped
  delivery stopped until both histories agree
  → `rewards-agent sync status`
delivery-failing
  the last delivery failed
  → it is tried again; `rewards-agent sync now`
outbox-old
  entries have waited for the catalogue for more than an hour
  → `rewards-agent sync status`
entries-set-aside
  the catalogue did not book some entries
  → its operator can say why
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What a code means to an administrator, and what to do first."""

    means: str
    do: str


def _faults(text: str) -> Iterator[tuple[str, Fault]]:
    """Three lines each: the code, what it means, what to do."""
    lines = [line.strip() for line in text.strip().splitlines()]
    for code, means, do in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        yield code, Fault(means=means, do=do.removeprefix("→ "))


GROUPS: Mapping[str, Mapping[str, Fault]] = MappingProxyType(
    {
        "On this machine": MappingProxyType(dict(_faults(_ON_DISK))),
        "Moodle and its log": MappingProxyType(dict(_faults(_OF_MOODLE))),
        "Posts, certificates, people, the catalogue": MappingProxyType(dict(_faults(_AT_THE_EDGES))),
    }
)
"""Where a fault lies → code → fault, in the order of the manual."""

FAULTS: Mapping[str, Fault] = MappingProxyType({code: one for group in GROUPS.values() for code, one in group.items()})
"""Code → what it means and what cures it."""
