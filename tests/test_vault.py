from __future__ import annotations

import base64
import pickle
import stat
import traceback
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmd.connections.master_key import KEY_FILE_NAME, MasterKey, load_keys, parse_keys
from crmd.connections.rotation import SecretRow, reencrypt
from crmd.connections.vault import Place, SealBroken, Vault, secret_place
from crmd.errors import ConfigError
from crmd.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

WORKSPACE, OTHER_WORKSPACE = UUID(int=1), UUID(int=2)
CONNECTION, OTHER_CONNECTION = UUID(int=3), UUID(int=4)
HERE = secret_place(WORKSPACE, CONNECTION, "refresh_token")
OLD, NEW = MasterKey(b"o" * 32), MasterKey(b"n" * 32)
CANARY = "canary-1//0gRefreshToken"


def key_text(key: MasterKey) -> str:
    """As an operator writes it."""
    return base64.b64encode(key.octets).decode()


@given(st.text())
def test_any_secret_comes_back(text: str) -> None:
    """What was sealed for a place opens there."""
    vault = Vault([NEW])
    assert vault.unseal(HERE, vault.seal(HERE, Secret(text))).reveal() == text


def test_format_is_the_documented_one() -> None:
    """A sealed text is v1, the key's id, and base64url of nonce and ciphertext."""
    form, key_id, box = Vault([NEW]).seal(HERE, Secret("x")).split(".")
    assert (form, key_id) == ("v1", NEW.key_id)
    assert len(base64.urlsafe_b64decode(box + "=" * (-len(box) % 4))) == 12 + 1 + 16


def test_equal_secrets_are_sealed_differently() -> None:
    """Nobody can tell from the rows that two secrets are equal."""
    vault = Vault([NEW])
    assert vault.seal(HERE, Secret("same")) != vault.seal(HERE, Secret("same"))


def test_every_flipped_bit_is_noticed() -> None:
    """A ciphertext that was changed anywhere does not open."""
    vault = Vault([NEW])
    head, _, box = vault.seal(HERE, Secret(CANARY)).rpartition(".")
    octets = base64.urlsafe_b64decode(box + "=" * (-len(box) % 4))
    for bit in range(len(octets) * 8):
        flipped = bytearray(octets)
        flipped[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(SealBroken):
            vault.unseal(HERE, f"{head}.{base64.urlsafe_b64encode(flipped).decode().rstrip('=')}")


@pytest.mark.parametrize(
    "elsewhere",
    [
        secret_place(OTHER_WORKSPACE, CONNECTION, "refresh_token"),
        secret_place(WORKSPACE, OTHER_CONNECTION, "refresh_token"),
        secret_place(WORKSPACE, CONNECTION, "access_token"),
        Place("crmd.other", "ciphertext", HERE.row, HERE.workspace),
        Place(HERE.table, "other", HERE.row, HERE.workspace),
    ],
)
def test_a_copied_ciphertext_does_not_open(elsewhere: Place) -> None:
    """A ciphertext moved to another row, column, table or tenant does not open."""
    vault = Vault([NEW])
    with pytest.raises(SealBroken):
        vault.unseal(elsewhere, vault.seal(HERE, Secret(CANARY)))


@pytest.mark.parametrize("sealed", ["", "v1", "v1.", "v2.x.y", "v1.deadbeef.AAAA", "....", "v1..", "\0", "v1.é.é"])
def test_junk_is_no_crash(sealed: str) -> None:
    """Whatever stands in the column, the fault is one sentence."""
    with pytest.raises(SealBroken):
        Vault([NEW]).unseal(HERE, sealed)


@pytest.mark.parametrize("box", ["", "A", "AAAA", "é", "A" * 40])
def test_a_broken_box_under_our_key_is_no_crash(box: str) -> None:
    """A box that is too short or no base64 is reported like one that was changed."""
    vault = Vault([NEW])
    with pytest.raises(SealBroken):
        vault.unseal(HERE, vault.current_prefix + box)


def test_a_place_cannot_be_written_in_two_ways() -> None:
    """The separator of the associated data is refused inside its parts."""
    with pytest.raises(ValueError, match=r"\|"):
        _ = Place("a|b", "c", "d", "e").associated_data


def test_older_keys_open_and_the_first_seals() -> None:
    """After a new key was put first, everything still opens and new secrets use it."""
    sealed = Vault([OLD]).seal(HERE, Secret(CANARY))
    vault = Vault([NEW, OLD])
    assert vault.unseal(HERE, sealed) == Secret(CANARY)
    assert vault.seal(HERE, Secret(CANARY)).startswith(f"v1.{NEW.key_id}.")


def test_a_missing_key_is_named() -> None:
    """When a key was taken away too early, the error says which."""
    with pytest.raises(SealBroken, match=OLD.key_id):
        Vault([NEW]).unseal(HERE, Vault([OLD]).seal(HERE, Secret(CANARY)))


def test_a_vault_without_a_key_says_what_is_missing() -> None:
    """A daemon without a key works until a secret is needed; then the sentence names the setting."""
    vault = Vault((), missing=ConfigError("no key", hint="give one"))
    with pytest.raises(ConfigError, match="give one"):
        vault.seal(HERE, Secret("x"))
    with pytest.raises(ConfigError, match="give one"):
        vault.unseal(HERE, "v1.a.b")


def test_rotation_seals_again_only_what_is_old() -> None:
    """Rotation touches rows of older keys, keeps their secrets, and then the old key can go."""
    old, both, new = Vault([OLD]), Vault([NEW, OLD]), Vault([NEW])
    rows = [
        SecretRow(WORKSPACE, CONNECTION, "refresh_token", old.seal(HERE, Secret(CANARY))),
        SecretRow(WORKSPACE, CONNECTION, "refresh_token", new.seal(HERE, Secret("already"))),
    ]
    ((row, sealed),) = reencrypt(both, rows)
    assert row is rows[0]
    assert new.unseal(HERE, sealed) == Secret(CANARY)


def test_nothing_prints_a_secret_or_a_key() -> None:
    """Neither repr nor an error's traceback holds a secret or a key."""
    vault = Vault([NEW, OLD])
    sealed = vault.seal(HERE, Secret(CANARY))
    shown = [repr(Secret(CANARY)), f"{Secret(CANARY)}", repr(NEW), repr(vault)]
    try:
        vault.unseal(secret_place(OTHER_WORKSPACE, CONNECTION, "refresh_token"), sealed)
    except SealBroken as error:
        shown.append("".join(traceback.format_exception(error)))
    assert not any(CANARY in text or "nnnnnnnn" in text for text in shown)
    with pytest.raises(TypeError):
        pickle.dumps(Secret(CANARY))


def test_keys_are_read_in_order_with_comments() -> None:
    """A key file may hold several keys and comments; the first is the current one."""
    text = f"# new\n{key_text(NEW)}\n\n{key_text(OLD)} # until March\n"
    assert parse_keys(text, "a test") == (NEW, OLD)


@pytest.mark.parametrize("text", ["", "# nothing\n", "short", key_text(NEW)[:-5], "é" * 44, key_text(NEW) + " x"])
def test_a_bad_key_is_refused_without_showing_it(text: str) -> None:
    """A key that is missing or of the wrong length is one sentence that does not quote it."""
    with pytest.raises(ConfigError) as caught:
        parse_keys(text, "a test")
    assert "a test" in str(caught.value)
    assert key_text(NEW)[:8] not in str(caught.value)


def test_the_setting_comes_before_the_files(tmp_path: Path) -> None:
    """A key given by credential or environment wins over the file of the embedded database."""
    (tmp_path / KEY_FILE_NAME).write_text(key_text(OLD))
    keys = load_keys(master_key=Secret(key_text(NEW)), master_key_path=None, state_dir=tmp_path, is_embedded=True)
    assert keys == (NEW,)


def test_an_embedded_database_gets_a_key_of_its_own_once(tmp_path: Path) -> None:
    """Without a key, the first start makes one that only we can read, and later starts find it."""
    state_dir = tmp_path / "state"
    first = load_keys(master_key=None, master_key_path=None, state_dir=state_dir, is_embedded=True)
    again = load_keys(master_key=None, master_key_path=None, state_dir=state_dir, is_embedded=True)
    assert first == again
    assert stat.S_IMODE((state_dir / KEY_FILE_NAME).stat().st_mode) == 0o600
    assert [file.name for file in state_dir.iterdir()] == [KEY_FILE_NAME]


def test_an_external_database_needs_a_key(tmp_path: Path) -> None:
    """With somebody else's database no key is made up, since other daemons would not have it."""
    with pytest.raises(ConfigError, match="no master key") as caught:
        load_keys(master_key=None, master_key_path=None, state_dir=tmp_path, is_embedded=False)
    assert "CRMD_MASTER_KEY" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_key_that_everybody_reads_is_refused(tmp_path: Path) -> None:
    """A world-readable key file is no secret, and the sentence says how to mend it."""
    path = tmp_path / "key"
    path.write_text(key_text(NEW))
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_keys(master_key=None, master_key_path=path, state_dir=tmp_path, is_embedded=False)
    path.chmod(0o600)
    assert load_keys(master_key=None, master_key_path=path, state_dir=tmp_path, is_embedded=False) == (NEW,)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is one sentence with the path in it."""
    with pytest.raises(ConfigError, match="nowhere"):
        load_keys(master_key=None, master_key_path=tmp_path / "nowhere", state_dir=tmp_path, is_embedded=False)
