from __future__ import annotations

import time

import pytest
from crmd_contacts.newest import newest_lines
from hypothesis import given
from hypothesis import strategies as st

OLD = "Old text.\nOld Writer\n+49 30 1234567"
BOUNDARIES = [
    "On Mon, 3 Mar 2025 at 10:12, Bob Old <bob@old.example> wrote:",
    "On Mon, 3 Mar 2025 at 10:12, Bob Old\n<bob@old.example> wrote:",
    "Am Mo., 3. März 2025 um 10:12 Uhr schrieb Bob Old <bob@old.example>:",
    "Am 03.03.2025 um 10:12 schrieb Bob Old:",
    "Bob Old <bob@old.example> schrieb am Mo., 3. März 2025, 10:12:",
    "Le lun. 3 mars 2025 à 10:12, Bob Old <bob@old.example> a écrit :",
    "El lun, 3 mar 2025 a las 10:12, Bob Old (<bob@old.example>) escribió:",
    "Il giorno lun 3 mar 2025 alle ore 10:12 Bob Old <bob@old.example> ha scritto:",
    "Em seg., 3 de mar. de 2025 às 10:12, Bob Old <bob@old.example> escreveu:",
    "Op ma 3 mrt 2025 om 10:12 schreef Bob Old <bob@old.example>:",
    "Den mån 3 mars 2025 kl 10:12 skrev Bob Old <bob@old.example>:",
    "pon., 3 mar 2025 o 10:12 Bob Old <bob@old.example> napisał(a):",
    "po 3. 3. 2025 v 10:12 odesílatel Bob Old <bob@old.example> napsal:",
    "пн, 3 мар. 2025 \u0433. \u0432 10:12, Bob Old <bob@old.example>:",
    "3 мар. 2025, 10:12, Bob Old <bob@old.example> пишет:",
    "Bob Old <bob@old.example> 于2025年3月3日周一 10:12写道：",  # noqa: RUF001 - as mail programs write it
    "-----Original Message-----",
    "-----Ursprüngliche Nachricht-----",
    "-------- Original Message --------",
    "-------- Weitergeleitete Nachricht --------",
    "---------- Forwarded message ---------",
    "Anfang der weitergeleiteten Nachricht:",
    "Begin forwarded message:",
    "From: Bob Old <bob@old.example>\nSent: Monday, March 3, 2025 10:12\nTo: Jane Doe\nSubject: Re: Offer",
    "Von: Bob Old <bob@old.example>\nGesendet: Montag, 3. März 2025 10:12\nAn: Jane Doe\nBetreff: AW: Angebot",
    "*Von:* Bob Old <bob@old.example>\n*Datum:* Montag, 3. März 2025\n*An:* Jane Doe\n*Betreff:* AW: Angebot",
    "De : Bob Old\nEnvoyé : lundi 3 mars 2025 10:12\nÀ : Jane Doe\nObjet : RE: Offre",
    "De: Bob Old\nEnviado el: lunes, 3 de marzo de 2025\nPara: Jane Doe\nAsunto: RE: Oferta",
]


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_older_mail_below_is_cut_off(boundary: str) -> None:
    """Only what stands above a quoted or forwarded mail is the newest part."""
    assert "\n".join(newest_lines(f"New text.\n\nJane\n\n{boundary}\n{OLD}")).split() == ["New", "text.", "Jane"]


def test_an_answer_below_or_between_quotes_is_kept() -> None:
    """Text written below or between `>` quotes is new."""
    text = "On 3 Mar 2025, Bob <b@old.example> wrote:\n> one?\n\nYes.\n\n> two?\n\nNo.\n\nJane"
    assert [line for line in newest_lines(text) if line] == ["Yes.", "No.", "Jane"]


@pytest.mark.parametrize(
    "text",
    [
        "He wrote:\nwe agree.",
        "From: what I saw, it works.\nThanks",
        "An: die Kollegen\nbitte lesen",
        "On this I agree.\nSee what Tom wrote: it is fine.",
        "Von: bis: siehe unten",
    ],
)
def test_prose_that_only_looks_like_a_boundary_stays(text: str) -> None:
    """A sentence with such words, and no date, address or further headers, is not a boundary."""
    assert newest_lines(text) == text.splitlines()


@given(st.text(alphabet="On >:-\n@1wroteVAF", max_size=400))
def test_newest_lines_are_lines_of_the_text(text: str) -> None:
    """Nothing is invented: the newest part is a selection of the text's own lines."""
    assert set(newest_lines(text)) <= {line.rstrip() for line in text.splitlines()}


@pytest.mark.parametrize(
    "piece", ["On ", "On On\n", "> ", "From: ", "From: x\n", "-----", "Am 1\n", ":\n", "wrote:\n", "\n", "“ "]
)
def test_hostile_text_takes_linear_time(piece: str) -> None:
    """A megabyte of anything is read in well under the second that a quadratic rule would exceed by far."""
    started = time.process_time()
    newest_lines(piece * (1_000_000 // len(piece)))
    assert time.process_time() - started < 3
