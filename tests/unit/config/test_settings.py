"""config.toml: its defaults, its checks, and what an administrator is told."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.config.document import FaultsError
from agent.config.document.places import find_config
from agent.config.settings import LogSource, PostSource, Settings, load_settings
from agent.errors import ConfigError
from agent.model import Trust

AGENT = '[agent]\ncampus = "uni"\n'
LOG = '[[source]]\nname = "moodle"\nkind = "moodle-logstore"\nurl = "mysql://ro@db/moodle"\n'
POST = '[[source]]\nname = "trigger"\nkind = "tool-trigger"\npath = "/hook"\n'


def read(directory: Path, text: str) -> Settings:
    """The settings a file says."""
    path = directory / "config.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path)


def told(directory: Path, text: str) -> list[str]:
    """The faults of a file, each from its line on."""
    with pytest.raises(FaultsError) as caught:
        read(directory, text)
    start = f"{directory / 'config.toml'}:"
    assert all(str(fault).startswith(start) for fault in caught.value.faults)
    return [str(fault).removeprefix(start) for fault in caught.value.faults]


def log(directory: Path, line: str) -> LogSource:
    """The log source with one more line."""
    return read(directory, f"{AGENT}{LOG}{line}\n").log_sources[0]


def test_agent_and_one_source_are_enough(tmp_path: Path) -> None:
    settings = read(tmp_path, AGENT + LOG)

    assert settings.agent.data_dir == Path("/var/lib/rewards-agent")
    assert (settings.agent.mode, settings.agent.environment) == ("live", "production")
    assert (settings.http, settings.catalogue) == (None, None)
    assert settings.privacy.decisions_keep_s == 400 * 86_400
    assert settings.identity.link_by == ("idnumber", "email")
    assert settings.linking_sources == ("moodle",)
    (tmp_path / "rules.toml").touch()
    assert settings.rule_files() == (tmp_path / "rules.toml",)
    (source,) = settings.log_sources
    assert (source.poll_interval_s, source.gap_patience_s, source.backdated_after_s) == (1.0, 1800, 86_400)
    assert (source.reconcile_s, source.start_at, source.table_prefix) == (900, "now", "mdl_")
    assert (source.trust, source.site_name) == (Trust.server_verified, "moodle")


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = read(tmp_path, AGENT + LOG)

    with pytest.raises(ValidationError):
        settings.agent.mode = "shadow"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "missing"),
    [(LOG, "1:1: [agent] is missing"), (AGENT, "1:1: [[source]] is missing"), (f"[agent]\n{LOG}", "1:1: `campus` is")],
)
def test_what_is_required_and_missing_is_told(tmp_path: Path, text: str, missing: str) -> None:
    (fault,) = told(tmp_path, text)

    assert fault.startswith(missing)


@pytest.mark.parametrize("kind", ["tool-trigger", "learnworlds", "thinkific", "xapi", "canvas", "kajabi", "generic"])
def test_every_kind_of_poster_is_a_source_of_trusted_source(tmp_path: Path, kind: str) -> None:
    settings = read(tmp_path, AGENT + POST.replace("tool-trigger", kind))

    (source,) = settings.post_sources
    assert (source.kind, source.trust) == (kind, Trust.trusted_source)


@pytest.mark.parametrize(
    ("written", "start"),
    [
        ('"now"', "now"),
        ('"beginning"', "beginning"),
        ('"2026-09-01T00:00:00Z"', 1_788_220_800),
        ("2026-09-01T00:00:00Z", 1_788_220_800),
        ("2026-09-01T02:00:00+02:00", 1_788_220_800),
    ],
)
def test_start_at_is_a_word_or_a_moment(tmp_path: Path, written: str, start: object) -> None:
    assert log(tmp_path, f"start_at = {written}").start_at == start


@pytest.mark.parametrize("written", ['"2026-13-01T00:00:00Z"', '"yesterday"', "2026-09-01", "2026-09-01T00:00:00", "3"])
def test_a_start_that_is_no_moment_in_utc_is_refused(tmp_path: Path, written: str) -> None:
    (fault,) = told(tmp_path, f"{AGENT}{LOG}start_at = {written}\n")

    assert fault.startswith("7:12: ")
    assert 'write "now", "beginning" or a time in UTC' in fault


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("mysql://u@h/d?sslca=ca.pem", "an option 'sslca' that nothing reads, did you mean ssl_ca?"),
        (
            "postgresql://u@h/d?sslmode=require",
            "'sslmode' that nothing reads, known here: ssl_ca, ssl_cert, ssl_key, unix_socket, schema",
        ),
        ("mariadb://u@h/d?schema=x", "'schema' that nothing reads, known here: ssl_ca, ssl_cert, ssl_key, unix_socket"),
        ("sqlite:///m.sqlite?mode=ro", "'mode' that nothing reads, known here: nothing"),
        ("mysql://u@h/d?ssl_cert=c.pem", "to whom nobody vouches for, add ssl_ca=…, its authority"),
        ("mysql://u@h/d?ssl_ca=a&ssl_key=c", "the key of a certificate, and no certificate, add ssl_cert=…"),
    ],
)
def test_an_option_of_a_url_that_nothing_reads_is_never_passed_over(tmp_path: Path, written: str, hint: str) -> None:
    (fault,) = told(tmp_path, AGENT + re.sub('url = ".*"', f'url = "{written}"', LOG))
    assert fault.endswith(hint)


def test_a_key_of_another_kind_of_source_says_which(tmp_path: Path) -> None:
    (fault,) = told(tmp_path, f'{AGENT}{LOG}path = "/hook"\n')
    assert fault.startswith("7:1: unknown key `path` in [[source]], it is for kind tool-trigger, learnworlds, ")


def test_decisions_are_kept_for_a_week_at_least_and_the_fault_says_it_in_days(tmp_path: Path) -> None:
    (fault,) = told(tmp_path, f'{AGENT}{LOG}[privacy]\ndecisions_keep = "1d"\n')
    assert "'1d' is too short, 7d or more" in fault


def test_what_is_missing_is_called_as_it_is_written(tmp_path: Path) -> None:
    assert told(tmp_path, "") == [
        "1:1: [[source]] is missing from the file, it is required",
        "1:1: [agent] is missing from the file, it is required",
    ]


def test_durations_are_seconds_and_reconcile_can_be_off(tmp_path: Path) -> None:
    source = log(tmp_path, 'gap_patience = "2h"\nbackdated_after = "1w"\nreconcile = "off"\npoll_interval_s = 2')

    assert (source.gap_patience_s, source.backdated_after_s, source.reconcile_s) == (7200, 604_800, None)
    assert source.poll_interval_s == 2.0


def test_a_reconcile_that_is_no_duration_is_told_that_it_can_be_off(tmp_path: Path) -> None:
    (fault,) = told(tmp_path, f'{AGENT}{LOG}reconcile = "sometimes"\n')

    assert fault.startswith("7:13: 'sometimes' is not a duration, write ")
    assert fault.endswith('; or "off"')


@pytest.mark.parametrize(
    "line",
    [
        'gap_patience = "30"',
        "gap_patience = 30",
        'gap_patience = "off"',
        'poll_interval_s = "1s"',
        "poll_interval_s = 0",
        "poll_interval_s = nan",
        "site_admins = ['2']",
        "table_prefix = 'mdl-'",
        "table_prefix = 'mdl_; DROP'",
        "log_table = 'a.b'",
        "trust = 'server_verfied'",
        "trust = 3",
        "name_ = 'x'",
        "path = '/hook'",
        "password = 'geheim'",
    ],
)
def test_a_value_that_cannot_be_meant_is_told_at_its_line_and_never_repeats_a_password(
    tmp_path: Path, line: str
) -> None:
    (fault,) = told(tmp_path, f"{AGENT}{LOG}{line}\n")

    assert fault.startswith("7:")
    assert "geheim" not in fault


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://ro:geheim@db/moodle", "password_file"),
        ("mysql://ro@db/moodle?password=geheim", "password_file"),
        ("postgres://ro@db/geheim", "did you mean postgresql://"),
        ("mssql://ro@db/geheim", "no database that can be read"),
        ("mysql://ro@db", "names no database"),
        ("mysql:///geheim", "names no host"),
        ("mysql://ro@db:99999/geheim", "not a URL"),
        ("sqlite://geheim.db", "names no file"),
        ("sqlite:///", "names no file"),
    ],
)
def test_a_database_url_is_checked_and_never_repeated(tmp_path: Path, url: str, message: str) -> None:
    (fault,) = told(tmp_path, AGENT + LOG.replace("mysql://ro@db/moodle", url))

    assert fault.startswith("6:7: ")
    assert message in fault
    assert "geheim" not in fault


def test_files_named_by_a_url_are_relative_to_the_configuration(tmp_path: Path) -> None:
    sqlite = read(tmp_path, AGENT + LOG.replace("mysql://ro@db/moodle", "sqlite:///campus.db"))
    tls = read(tmp_path, AGENT + LOG.replace("db/moodle", "db:3307/moodle?ssl_ca=ca.pem&ssl_cert=/c.pem&ssl_key=c.key"))

    assert sqlite.log_sources[0].url == f"sqlite:///{tmp_path}/campus.db"
    assert tls.log_sources[0].url == (
        f"mysql://ro@db:3307/moodle?ssl_ca={tmp_path}/ca.pem&ssl_cert=/c.pem&ssl_key={tmp_path}/c.key"
    )


def test_paths_are_relative_to_the_file_they_stand_in(tmp_path: Path) -> None:
    text = f'{AGENT}data_dir = "data"\n{LOG}[catalogue]\nurl = "https://c.example/"\nca_file = "ca.pem"\n'

    settings = read(tmp_path, text)

    assert settings.agent.data_dir == tmp_path / "data"
    assert settings.home == tmp_path
    assert settings.catalogue
    assert (settings.catalogue.url, settings.catalogue.ca_file) == ("https://c.example", tmp_path / "ca.pem")


def test_rules_may_be_several_files_and_globs_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "rules.d").mkdir()
    for name in ("rules.toml", "rules.d/b.toml", "rules.d/a.toml", "rules.d/notes.txt"):
        (tmp_path / name).touch()

    settings = read(tmp_path, f'{AGENT}rules = ["rules.toml", "rules.d/*.toml", "rules.d/a.toml"]\n{LOG}')

    directory = tmp_path / "rules.d"
    assert settings.rule_files() == (tmp_path / "rules.toml", directory / "a.toml", directory / "b.toml")


def test_a_file_of_rules_that_is_not_there_is_told_with_the_key_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").symlink_to("gone.toml")
    settings = read(tmp_path, f"{AGENT}{LOG}")

    with pytest.raises(ConfigError, match=r"config\.toml: \[agent\] rules names .*rules\.toml: there is no such file"):
        settings.rule_files()


def test_a_glob_that_names_no_rules_says_so(tmp_path: Path) -> None:
    settings = read(tmp_path, f'{AGENT}rules = "{tmp_path}/rules.d/*.toml"\n{LOG}')

    with pytest.raises(ConfigError, match="names no file"):
        settings.rule_files()


@pytest.mark.parametrize("listen", ["127.0.0.1", "127.0.0.1:99999", ":8733", "0.0.0.0:x", "a b:1", "::1:8733"])
def test_an_address_to_listen_at_is_host_and_port(tmp_path: Path, listen: str) -> None:
    (fault,) = told(tmp_path, f'{AGENT}[http]\nlisten = "{listen}"\n{LOG}')

    assert fault.startswith("4:10: ")


def test_an_ip_six_address_to_listen_at_stands_in_brackets(tmp_path: Path) -> None:
    settings = read(tmp_path, f'{AGENT}[http]\nlisten = "[::1]:8733"\n{LOG}')

    assert settings.http
    assert settings.http.listen == "[::1]:8733"


@pytest.mark.parametrize("url", ["https://u:geheim@c.example", "ftp://c.example", "c.example", "http://c.example/?a=1"])
def test_the_address_of_the_catalogue_is_checked(tmp_path: Path, url: str) -> None:
    (fault,) = told(tmp_path, f'{AGENT}{LOG}[catalogue]\nurl = "{url}"\n')

    assert fault.startswith("8:7: ")
    assert "geheim" not in fault


def test_a_network_with_host_bits_is_refused(tmp_path: Path) -> None:
    (fault,) = told(tmp_path, f'{AGENT}{POST}allow_ips = ["10.0.0.0/8", "10.0.0.1/8"]\n')

    assert fault.startswith('7:28: the text "10.0.0.1/8" is not a network')


def test_a_network_of_ipv4_that_is_dressed_as_ipv6_is_what_it_is(tmp_path: Path) -> None:
    line = 'allow_ips = ["::ffff:10.0.0.0/104", "::ffff:192.0.2.1", "2001:db8::/32", "::/0"]\n'
    (source,) = read(tmp_path, f"{AGENT}{POST}{line}").post_sources

    assert source.allow_ips == ("10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32", "::/0")


def test_two_sources_of_one_name_or_one_path_are_refused(tmp_path: Path) -> None:
    faults = told(tmp_path, AGENT + POST + POST)

    assert faults == [
        "8:8: two sources have this name, the other stands in line 4",
        "10:8: two sources have this path, the other stands in line 6",
    ]


@pytest.mark.parametrize(
    "again",
    [
        LOG,
        LOG.replace("ro@db", "other@db").replace('/moodle"', '/moodle?ssl_ca=ca.pem"'),
        LOG.replace("db/moodle", "elsewhere/moodle") + 'log_url = "mysql://ro@db/moodle"\n',
        LOG + 'log_table = "mdl_logstore_standard_log"\n',
    ],
)
def test_two_sources_that_read_one_log_are_refused(tmp_path: Path, again: str) -> None:
    """Everybody was paid twice, as two learners, and nothing said so."""
    (fault,) = told(tmp_path, AGENT + LOG + again.replace('"moodle"', '"copied"'))

    assert re.match(r"(10|11):\d+: two sources read this log, the other stands in line 6", fault), fault


@pytest.mark.parametrize(
    "more", ['log_table = "mdl_log2"\n', 'table_prefix = "m_"\n', 'log_url = "mysql://ro@db/log"\n']
)
def test_two_logs_in_one_database_are_two(tmp_path: Path, more: str) -> None:
    two = read(tmp_path, AGENT + LOG + LOG.replace('"moodle"', '"other"') + more)

    assert len(two.log_sources) == 2


@pytest.mark.parametrize(
    ("name", "what"), [("scheduled", "what is decided at a time"), ("manual", "what is done by hand")]
)
def test_a_source_with_a_name_that_every_ledger_has_is_refused(tmp_path: Path, name: str, what: str) -> None:
    (fault,) = told(tmp_path, AGENT + POST.replace('"trigger"', f'"{name}"'))

    assert (
        fault
        == f"4:8: '{name}' is the source of {what}, choose another name; learners keep theirs with site = \"{name}\""
    )


def test_same_site_as_names_a_log_source(tmp_path: Path) -> None:
    posting = read(tmp_path, f'{AGENT}{LOG}{POST}same_site_as = "moodle"\n').post_sources[0]
    (fault,) = told(tmp_path, f'{AGENT}{LOG}{POST}same_site_as = "mooodle"\n')

    assert posting.site_name == "moodle"
    assert fault == "11:16: there is no source 'mooodle' of kind moodle-logstore, did you mean 'moodle'?"


def test_a_renamed_source_keeps_its_site(tmp_path: Path) -> None:
    assert log(tmp_path, 'site = "old"').site_name == "old"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (f'{LOG}{POST}site = "a"\nsame_site_as = "moodle"\n', "11:8"),
        (f'{LOG}{LOG.replace("moodle", "second", 1).replace("/moodle", "/two")}site = "moodle"\n', "11:8"),
        (f"{LOG}{POST}pay_before_log = true\n", "11:1"),
        (f'{LOG}[catalogue]\nurl = "https://a.example"\nkudos = "moodle"\n', "9:9"),
        (f'{LOG}[identity]\nsources_trusted_to_link = ["moodle", "modle"]\n', "8:38"),
    ],
)
def test_what_contradicts_another_source_is_told(tmp_path: Path, text: str, where: str) -> None:
    (fault,) = told(tmp_path, AGENT + text)

    assert fault.startswith(f"{where}: ")


def test_a_source_through_which_kudos_come_needs_no_path(tmp_path: Path) -> None:
    heard = '[[source]]\nname = "kudos"\nkind = "generic"\n'
    catalogue = '[catalogue]\nurl = "https://a.example"\nkudos = "kudos"\n'

    assert read(tmp_path, AGENT + LOG + heard + catalogue).post_sources[0].path is None
    assert len(told(tmp_path, AGENT + LOG + heard)) == 1


def test_contradictions_are_told_together_with_wrong_values(tmp_path: Path) -> None:
    faults = told(tmp_path, f'[agent]\ncampus = ""\n{POST}same_site_as = "x"\n{POST}trust = 1\nagent = 1\n')

    assert [fault.split(":")[0] for fault in faults] == ["2", "7", "9", "11", "12", "13"]


def test_a_source_that_is_no_table_is_a_fault_and_not_a_crash(tmp_path: Path) -> None:
    assert told(tmp_path, f"source = [1]\n{AGENT}")
    assert told(tmp_path, f"source = 1\nidentity = 2\n{AGENT}")


def test_a_poster_and_a_log_are_told_apart_by_their_kind(tmp_path: Path) -> None:
    settings = read(tmp_path, AGENT + POST + LOG)

    assert [type(source) for source in settings.sources] == [PostSource, LogSource]


def test_the_configuration_is_looked_for_here_and_then_told_where_it_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        find_config(None)
    assert str(tmp_path / "config.toml") in str(caught.value)
    assert "/etc/rewards-agent/config.toml" in str(caught.value)

    (tmp_path / "config.toml").touch()
    assert find_config(None) == Path("config.toml")


def test_a_directory_of_somebody_elses_is_passed_over_where_a_configuration_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`runuser -u rewards-agent -- rewards-agent status`, typed in root's home, ended with "Permission denied"."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o700)
    os.seteuid(65_534)
    try:
        with pytest.raises(ConfigError, match="there is no configuration") as caught:
            find_config(None)
    finally:
        os.seteuid(0)
    assert "/etc/rewards-agent/config.toml" in str(caught.value)


def test_a_configuration_that_is_named_and_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        find_config(tmp_path / "none.toml")


WEB = '[[source]]\nname = "ws"\nkind = "moodle-ws"\nurl = "https://moodle.example.org/"\ntoken_file = "ws.token"\n'


def test_a_web_service_needs_an_address_and_a_token_and_is_gentle_by_itself(tmp_path: Path) -> None:
    (source,) = read(tmp_path, AGENT + WEB).web_sources
    assert (source.url, source.token_file) == ("https://moodle.example.org", "ws.token")
    assert (source.requests_per_s, source.timeout_s, source.cache_s, source.reconcile_s) == (5.0, 30.0, 300, 21_600)
    assert (source.start_at, source.trust) == ("now", Trust.trusted_source)
    assert "`token_file` is missing" in "\n".join(told(tmp_path, AGENT + WEB.replace("token_file", "#")))


def test_a_web_service_has_the_site_of_the_posts_that_it_completes(tmp_path: Path) -> None:
    settings = read(tmp_path, AGENT + POST + 'site = "old"\n' + WEB + 'same_site_as = "trigger"\n')
    assert settings.web_site(settings.web_sources[0]) == "old"
    alone = read(tmp_path, AGENT + WEB)
    assert alone.web_site(alone.web_sources[0]) == "ws"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (WEB + 'same_site_as = "moodle"\n' + LOG, "there is no source 'moodle' of kind tool-trigger"),
        (
            LOG + POST + 'same_site_as = "moodle"\n' + WEB + 'same_site_as = "trigger"\n',
            "the posts of 'trigger' are completed by a log table already",
        ),
        (POST + WEB + 'same_site_as = "trigger"\nsite = "x"\n', "`site` and `same_site_as` exclude each other"),
        (WEB + "requests_per_s = 0\n", "requests_per_s"),
        (WEB.replace("https://", "ftp://"), "this is not the address of a web service"),
    ],
)
def test_what_a_web_service_cannot_be_is_told(tmp_path: Path, text: str, said: str) -> None:
    assert said in "\n".join(told(tmp_path, AGENT + text))


def test_only_one_web_service_completes_the_posts_of_a_source(tmp_path: Path) -> None:
    both = WEB + 'same_site_as = "trigger"\n'
    found = told(tmp_path, AGENT + POST + both + both.replace('"ws"', '"other"'))
    assert all("another moodle-ws source completes the posts of 'trigger' too" in one for one in found)
    assert len(found) == 2


def test_what_is_decided_at_a_time_waits_for_sources_that_tell_and_not_for_those_that_are_asked(tmp_path: Path) -> None:
    assert read(tmp_path, AGENT + LOG + POST + WEB).told_by == ("moodle", "trigger")
