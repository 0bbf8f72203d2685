"""Each alert calls for the machine that has the fault, and for no other that stands beside it at one Prometheus."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.pages import blocks

OPS = Path(__file__).parents[3] / "docs" / "ops"
PROMTOOL = shutil.which("promtool")
JOBS = {"": "rewards-agent", "catalogue-": "rewards-catalogue"}
WELL, ILL = "well:1", "ill:1"
STEADY = "x700"
"""A figure that stays what it is for two days and more, told every five minutes."""
AT = dict.fromkeys(("RewardsBackupOld", "RewardsCatalogueBackupOld", "RewardsCatalogueLinksHeld"), "52h")
"""When an alert has to have called; all others by the eighth hour."""
DAY = 86_400

# For each alert the figure that calls it and one that does not, with their labels, as promtool writes series.
CASES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "RewardsAgentDown": {"up": (f"0{STEADY}", f"1{STEADY}")},
    "RewardsAgentStartsAgain": {"rewards_started_timestamp_seconds": ("0+300x700", f"60{STEADY}")},
    "RewardsSourceStandsStill": {'rewards_source_fault{source="moodle"}': (f"1{STEADY}", f"0{STEADY}")},
    "RewardsEventsSetAside": {'rewards_source_set_aside{source="moodle"}': (f"2{STEADY}", f"0{STEADY}")},
    "RewardsSourceUnread": {'rewards_source_unread_seconds{source="moodle"}': (f"901{STEADY}", f"60{STEADY}")},
    "RewardsSourceQuiet": {'rewards_source_quiet{source="moodle"}': (f"1{STEADY}", f"0{STEADY}")},
    "RewardsLogRowsLost": {'rewards_source_lost_ids{source="moodle"}': ("0x90 40x600", f"40{STEADY}")},
    "RewardsPullFails": {'rewards_pull_attempts{source="lrs"}': (f"5{STEADY}", f"4{STEADY}")},
    "RewardsPullBehind": {'rewards_pull_ok_timestamp_seconds{source="lrs"}': (f"60{STEADY}", "0+300x700")},
    "RewardsLedgerUnreadable": {"rewards_ledger_readable": (f"0{STEADY}", f"1{STEADY}")},
    "RewardsReaderFault": {'rewards_reader_fault{reader="catalogue"}': (f"1{STEADY}", f"0{STEADY}")},
    "RewardsDeliveryBehind": {
        "rewards_ledger_entries": (f"9{STEADY}", f"9{STEADY}"),
        'rewards_reader_acked{reader="catalogue"}': (f"8{STEADY}", f"9{STEADY}"),
        'rewards_reader_ok_timestamp_seconds{reader="catalogue"}': (f"60{STEADY}", f"60{STEADY}"),
    },
    "RewardsHoldsWait": {'rewards_hold_oldest_seconds{kind="trust"}': (f"{3 * DAY + 1}{STEADY}", f"{DAY}{STEADY}")},
    "RewardsPostsRefused": {
        'rewards_posts_total{source="forms",result="credential"}': ("0+1x700", f"9{STEADY}"),
        'rewards_posts_total{source="forms",result="kept"}': (f"9{STEADY}", "0+50x700"),
    },
    "RewardsDiskNearlyFull": {"rewards_disk_free_bytes": (f"900000000{STEADY}", f"2000000000{STEADY}")},
    "RewardsBackupOld": {"rewards_backup_timestamp_seconds": (f"0{STEADY}", "0+300x700")},
    "RewardsCatalogueDown": {"up": (f"0{STEADY}", f"1{STEADY}")},
    "RewardsCatalogueStartsAgain": {"rewards_catalogue_started_timestamp_seconds": ("0+300x700", f"60{STEADY}")},
    "RewardsCatalogueDatabaseAway": {"rewards_catalogue_database_up": (f"0{STEADY}", f"1{STEADY}")},
    "RewardsCatalogueRequestsFail": {
        'rewards_catalogue_requests_total{route="a",status="500"}': ("0+5x700", f"0{STEADY}"),
        'rewards_catalogue_requests_total{route="a",status="200"}': ("0+50x700", "0+50x700"),
    },
    "RewardsCatalogueSlow": {
        f'rewards_catalogue_request_seconds_bucket{{route="POST /v1/batches",le="{bound}"}}': (slow, quick)
        for bound, slow, quick in (("5", "0+1x700", "0+1x700"), ("10", "0+9x700", "0+1x700"))
    }
    | {
        'rewards_catalogue_request_seconds_bucket{route="POST /v1/batches",le="+Inf"}': ("0+9x700", "0+1x700"),
    },
    "RewardsCatalogueAgentsSilent": {'rewards_catalogue_agents{state="silent"}': (f"2{STEADY}", f"0{STEADY}")},
    "RewardsCatalogueEntriesSetAside": {"rewards_catalogue_entries_set_aside": (f"2{STEADY}", f"0{STEADY}")},
    "RewardsCatalogueLinksHeld": {"rewards_catalogue_links_held": (f"2{STEADY}", f"0{STEADY}")},
    "RewardsCatalogueOrdersLate": {"rewards_catalogue_order_late_seconds": (f"601{STEADY}", f"599{STEADY}")},
    "RewardsCatalogueOrdersUnknown": {'rewards_catalogue_orders{state="unknown"}': (f"1{STEADY}", f"0{STEADY}")},
    "RewardsCataloguePartnerRests": {"rewards_catalogue_partners_resting": (f"1{STEADY}", f"0{STEADY}")},
    "RewardsCatalogueJobFails": {'rewards_catalogue_job_attempts{task="expiry"}': (f"3{STEADY}", f"2{STEADY}")},
    "RewardsCatalogueJobStandsStill": {
        'rewards_catalogue_job_ok_timestamp_seconds{task="expiry"}': (f"60{STEADY}", "0+300x700")
    },
    "RewardsCatalogueVouchersUnreadable": {"rewards_catalogue_vouchers_unreadable": (f"1{STEADY}", f"0{STEADY}")},
    "RewardsCatalogueBackupOld": {"rewards_catalogue_backup_timestamp_seconds": (f"0{STEADY}", "0+300x700")},
    "RewardsCatalogueErasedInFiles": {"rewards_catalogue_erased_in_files": (f"2{STEADY}", f"0{STEADY}")},
    "RewardsCatalogueDiskNearlyFull": {"rewards_catalogue_disk_free_bytes": (f"900000000{STEADY}", f"2e9{STEADY}")},
}


def alerts(whose: str) -> dict[str, dict[str, Any]]:
    """The alerts of one file by name."""
    groups = yaml.safe_load((OPS / f"{whose}alerts.yml").read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def labelled(series: str, job: str, instance: str) -> str:
    """A series as Prometheus keeps it: with where it was read."""
    name, _, own = series.partition("{")
    return f'{name}{{{own.rstrip("}")}{"," if own else ""}job="{job}",instance="{instance}"}}'


def test_no_alert_and_no_panel_takes_all_machines_for_one_and_no_figure_has_a_label_that_prometheus_sets() -> None:
    for whose in JOBS:
        panels = json.loads((OPS / f"{whose}dashboard.json").read_text(encoding="utf-8"))["panels"]
        asked = [target["expr"] for panel in panels for target in panel["targets"]]
        asked += [rule["expr"] for rule in alerts(whose).values()]
        assert [expr for expr in asked if re.search(r"\bon ?\(\)", expr)] == []
    told = (OPS.parent / "reference" / "metrics.md").read_text(encoding="utf-8")
    labels = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| `\w+` \| \w+ \| (.*?) \|", told, re.MULTILINE))))
    assert labels >= {"source", "task"}
    assert labels & {"job", "instance"} == set(), "Prometheus would call it exported_job"


@pytest.mark.parametrize("whose", JOBS)
def test_the_scrape_that_the_manual_shows_is_the_job_that_the_alerts_name_at_the_address_that_is_told(
    whose: str, tmp_path: Path
) -> None:
    page = OPS / f"{whose}monitoring.md"
    (shown,) = blocks(page, "yaml")
    (scrape,) = yaml.safe_load(shown)["scrape_configs"]
    listens = [table.get("status_listen") for text in blocks(page, "toml") for table in tomllib.loads(text).values()]
    assert scrape["job_name"] == JOBS[whose]
    assert f'up{{job="{JOBS[whose]}"}}' in (OPS / f"{whose}alerts.yml").read_text(encoding="utf-8")
    assert scrape["static_configs"] == [{"targets": [one]} for one in listens if one]
    if PROMTOOL is not None:
        (tmp_path / f"{whose}alerts.yml").symlink_to(OPS / f"{whose}alerts.yml")
        (tmp_path / "prometheus.yml").write_text(shown, encoding="utf-8")
        done = subprocess.run([PROMTOOL, "check", "config", str(tmp_path / "prometheus.yml")], check=False)
        assert done.returncode == 0


def test_every_alert_has_a_case() -> None:
    assert {name for whose in JOBS for name in alerts(whose)} == CASES.keys()


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool")
@pytest.mark.parametrize("whose", JOBS)
def test_an_alert_calls_for_the_machine_that_is_ill_and_not_for_the_one_beside_it(whose: str, tmp_path: Path) -> None:
    """By promtool, with every alert's own waiting time; two machines, and the words that people get."""
    file = OPS / f"{whose}alerts.yml"
    job = JOBS[whose]
    cases = [
        {
            "interval": "5m",
            "input_series": [
                {"series": labelled(name, job, instance), "values": values[number]}
                for name, values in CASES[alert].items()
                for number, instance in enumerate((ILL, WELL))
            ],
            "alert_rule_test": [
                {"eval_time": AT.get(alert, "8h"), "alertname": alert, "exp_alerts": [called(alert, rule, job)]}
            ],
        }
        for alert, rule in alerts(whose).items()
    ]
    asked = tmp_path / "cases.yml"
    asked.write_text(
        yaml.safe_dump({"rule_files": [str(file)], "evaluation_interval": "5m", "tests": cases}), encoding="utf-8"
    )
    for words in (["check", "rules", str(file)], ["test", "rules", str(asked)]):
        done = subprocess.run([str(PROMTOOL), *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def called(alert: str, rule: dict[str, Any], job: str) -> dict[str, Any]:
    """How an alert calls: with the labels of the figure that is ill, unless it looks at all machines together."""
    name = next(iter(CASES[alert]))
    own = dict(re.findall(r'(\w+)="([^"]*)"', name))
    value = CASES[alert][name][0].removesuffix(STEADY)
    labels = {} if rule["expr"].startswith(("sum", "histogram_quantile")) else own | {"job": job, "instance": ILL}
    if alert == "RewardsDeliveryBehind":
        labels = {"job": job, "instance": ILL}
    words = {
        key: re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text).replace("{{ $value }}", value)
        for key, text in rule["annotations"].items()
    }
    return {"exp_labels": labels, "exp_annotations": words}
