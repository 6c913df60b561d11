"""The Secrets that an installation gets: what they hold, and that those there stay."""

import base64
from pathlib import Path
from typing import Any

from common.sealing import Keyring


def held(secret: dict[str, Any]) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def test_each_role_has_its_password_and_each_user_its_seed(secrets: Any, k8s: Path) -> None:
    assert secrets.make(k8s / "environments/paser.toml").returncode == 0
    made = secrets.found()
    for service in ("inventory", "monitoring"):
        for role, name in ((service, service), (f"{service}_owner", f"{service}-owner")):
            secret = made["smartcity", f"postgres-{name}"]
            assert secret["type"] == "kubernetes.io/basic-auth"
            assert held(secret)["username"] == role
            assert len(held(secret)["password"]) >= 40
    for user in ("platform", "sys", "diskominfo-paser"):
        assert held(made["smartcity", f"nats-{user}"])["seed"].startswith("SU")
    every = [value for one in made.values() for value in held(one).values() if len(value) > 30]
    # Keycloak's password is in two namespaces.
    assert len(every) - len(set(every)) == 1
    both = [made[place, "postgres-keycloak-owner"]["data"] for place in ("smartcity", "keycloak")]
    assert both[0] == both[1]


def test_the_contact_keys_are_such_as_services_read(
    secrets: Any, k8s: Path, tmp_path: Path
) -> None:
    secrets.make(k8s / "environments/paser.toml")
    file = tmp_path / "contact_keys.json"
    file.write_text(held(secrets.found()["smartcity", "contact-keys"])["contact_keys.json"])
    assert Keyring.read(file).active == "k1"


def test_what_is_there_stays_and_what_is_missing_is_made(secrets: Any, k8s: Path) -> None:
    environment = k8s / "environments/paser.toml"
    secrets.make(environment)
    before = secrets.found()
    (secrets.store / "keycloak.postgres-keycloak-owner.json").unlink()
    (secrets.store / "smartcity.nats-sys.json").unlink()
    again = secrets.make(environment)
    after = secrets.found()
    assert {place for place in before if after[place]["data"] != before[place]["data"]} == {
        ("smartcity", "nats-sys")
    }
    assert "made Secret keycloak/postgres-keycloak-owner" in again.stdout


def test_no_secret_is_on_a_command_line_or_printed(secrets: Any, k8s: Path) -> None:
    done = secrets.make(k8s / "environments/paser.toml")
    shown = (secrets.store / "commands").read_text() + done.stdout + done.stderr
    values = [value for one in secrets.found().values() for value in held(one).values()]
    names = {"admin", "inventory", "monitoring"} | {
        f"{name}_owner" for name in ("inventory", "monitoring", "keycloak")
    }
    assert [value for value in values if value not in names and value in shown] == []


def test_seeds_are_written_for_the_accounts(
    secrets: Any, k8s: Path, tmp_path: Path, run_script: Any
) -> None:
    environment = k8s / "environments/paser.toml"
    secrets.make(environment, "--seeds", tmp_path / "seeds")
    seeds = {path.stem: path.read_text() for path in (tmp_path / "seeds").glob("*.nk")}
    made = secrets.found()
    assert seeds == {user: held(made["smartcity", f"nats-{user}"])["seed"] for user in seeds}
    assert len(seeds) == 3
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "seeds").iterdir()}
    assert modes == {0o600}
    shown = run_script("nats/accounts.py", "values", environment, tmp_path / "seeds")
    assert shown.returncode == 0
    assert [user for user, seed in seeds.items() if seed in shown.stdout] == []
