"""What mail systems write when they return, delay or answer a message: the word lists behind the classification.

Every pattern is used on one line or a capped text, has no nested repetition, and is matched against lower-cased text.
"""

import re


def _any(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases))


# Local parts and shown names that only mail systems use.
DAEMON_LOCAL = re.compile(r"mailer[-_.]?daemon|mail[-_.]?daemon|mdaemon|mail[-_.]?delivery|mmdf|double-bounce")
DAEMON_NAME = _any(
    r"mailer[- ]daemon",
    r"mail deliver(y|er)? ?(sub)?(system|service)",
    r"mail administrator",
    r"mail system",
    r"delivery (sub)?system",
    r"interscan",
    r"ndr administrator",
    r"content-?filter at ",
    r"system administrator",
    r"systemadministrator",
    r"administrateur système",
)
POSTMASTER_LOCAL = re.compile(
    r"po+st[-_.]?master|mail-?admin|sysadmin|administrator|mailer|bounces?|bounce-.{1,60}|microsoftexchange[0-9a-f]{0,64}"
)

# Subjects of returned mail. Anchored where people could use the words too.
FAILED_SUBJECT = _any(
    r"^(\S{1,80} )?mail delivery (failed|failure|problem|error|status|system)",
    r"^(\*\*)?(undeliverable|undelivered|undeliver)\b",
    r"^non remis\b",
    r"^returned (mail|to sender)",
    r"^return(ed)? mail:",
    r"^mail (could not be delivered|failed|system error|failure|not delivered)",
    r"^mail delivery",
    r"^delivery (status )?notification",
    r"^delivery (has )?(failed|failure|error|problem|status|report|delayed)",
    r"^deliver(y)? status",
    r"^fail(ed|ure) (delivery|notice|mail)",
    r"^failure notice",
    r"^message (delivery has failed|undeliverable|not delivered|could not be delivered|you sent blocked|status)",
    r"^\*\*message you sent blocked",
    r"^(your )?message (to .{1,200} )?(could not|was not|has not been|couldn.t) be(en)? delivered",
    r"^sorry, your message could not be delivered",
    r"^loop (alert|back)|^\[?bounced?\b|^you \S{3,200} are not member",
    r"^there was an error sending your mail",
    r"^warning: (could not send|message \S{1,60} delayed)",
    r"^delayed mail",
    r"^notice: mail delivery status",
    r"^postmaster notify",
    r"^nondeliverable mail|^undeliverable mail|^unzustellbar|^nicht zustellbar|^unzustellbare nachricht",
    r"^mail-?zustellung|^zustellung(sstatus|sfehler| fehlgeschlagen)|^rückläufer",
    r"^échec de (la )?(remise|distribution|livraison)",
    r"^message non (remis|distribué|délivré)|^notification d.état de remise",
    r"^no se (puede|pudo|ha podido) entregar|^mensaje no entregado",
    r"^correo no entregado|^notificación de estado de entrega",
    r"^mancat[ao] (recapito|consegna)|^impossibile recapitare|^messaggio non recapitato",
    r"^não (entregue|foi possível entregar)|^falha na entrega|^mensagem não entregue|^relatório de entrega",
    r"^onbestelbaar|^niet bestelbaar|^kan (bericht )?niet (worden )?bezorgd?",
    r"^ej leverbart|^kan inte leverera|^ikke leveret|^kunne ikke levere|^kan ikke leveres|^viestiä ei voi",
    r"^niedostarczon|^nie można dostarczyć|^nedoručiteln|^kézbesíthetetlen",
    r"не доставлено|недоставленное|^сообщение не может быть доставлено|^недоставк",
    r"メッセージを配信できません|配信不能|配信できません|送信エラー|送信できません|エラーメール|届けられません|未達",
    r"^退信|系统退信|投递失败|無法傳遞|无法投递|退件|^传递失败",
    r"배달할 수 없|전송 실패|배달 실패",
)

# Sentences in the text of returned mail.
FAILED_TEXT = _any(
    r"(could|can|did) ?not be delivered",
    r"couldn.t be (found|delivered)",
    r"(unable|failed|not able) to deliver",
    r"wasn.t (able to be )?delivered",
    r"(was|were) (undeliverable|not delivered|unable to be delivered)",
    r"has not (yet )?been delivered",
    r"(is|was) being returned",
    r"your (message|mail|e-?mail|mail message) (to|with subject|has encountered|was not|did not|could not|cannot)",
    r"(permanent|fatal|temporary) (fatal )?(error|delivery)",
    r"permanent failure",
    r"delivery (to the following|failed|has failed|failure|has been delayed|attempts? failed)",
    r"addresses? (had|failed)",
    r"transcript of session",
    r"user unknown|unknown user|no such user|unknown recipient|user not found",
    r"mailbox (not found|unavailable|full|is full)",
    r"recipient (address )?(rejected|unknown|not found|not recognized)|invalid recipient|unrouteable address",
    r"(over|exceeded|exceeds) (its |the |their |his |storage )*(quota|limit)|quota exceeded|mailbox quota",
    r"host (or domain name )?(not found|unknown)|domain name not found",
    r"does not exist|not listed in|no mailbox here",
    r"message (expired|undeliverable|not delivered|could not|bounced|rejected)",
    r"delivery (status notification|status report|notification)|non-?delivery (report|notification)",
    r"retry time(out)? exceeded|too many hops|maximum hop +count",
    r"blocked by our|rejected by|spam.{0,40}(rejected|blocked)",
    r"undeliver(able|ed)|returned (mail|to sender|message)",
    r"not (a )?member (of|\()|are not member",
    r"konnte nicht zugestellt|nicht zustellbar|unzustellbar",
    r"n.a pas pu être (remis|distribué|délivré|livré)|non remis|adresse inconnue",
    r"no (se )?(pudo|puede|ha podido|pudimos) (ser )?entrega",
    r"non è stato possibile (recapitare|consegnare)|impossibile recapitare",
    r"não (pôde|pode|foi possível) (ser )?entreg",
    r"niet (worden )?(bezorgd|afgeleverd)|onbestelbaar",
    r"не (было |было |может быть )?доставлен|не удалось доставить|невозможно доставить",
    r"配信できません|届けることができません|お届けできません|送信できません|配送できません|届きません|配信でき|送れません|エラー",
    r"退信|无法投递|投递失败|无法送达|無法傳遞|배달(하지|할 수)",
)
# A reply of an SMTP server with its enhanced status, or one that nobody writes by chance.
SMTP_REPLY = re.compile(
    r"\b[45]\d\d[ -]#?[45]\.\d{1,3}\.\d{1,3}\b|\bsmtp;? ?\d{3}|\b(remote host|server) said:|^[ \t]{0,20}(?:>>>|<<<) "
    r"|\b55\d [a-z<]"
    r"|\b[45]\.\d{1,2}\.\d{1,2} [(\[<a-z]|status: ?[45]\.\d",
    re.MULTILINE,
)

# Subjects of answers that nobody wrote.
AUTO_REPLY_SUBJECT = _any(
    r"^(re: ?)?(automatic|auto)[- ]?(reply|response|responder|answer)\b",
    r"^autoreply|^autorespon|^auto: |^\[auto[- ]?reply\]",
    r"^(re: ?)?out[- ]of[- ](the[- ])?office\b",
    r"^(i am |i.m |currently )?(away|out) (from|of) (the|my) (office|mail|desk)",
    r"^away (until|till|from)\b|^on (vacation|holiday|leave)\b",
    r"^vacation (reply|message|notice|response)|^(maternity|parental|annual) leave",
    r"^(automatische antwort|abwesenheit|abwesend|ich bin (nicht im büro|im urlaub|abwesend)|nicht im büro)",
    r"^automatische e-?mail",
    r"^(réponse automatique|absence du bureau|absent du bureau|message d.absence|absent\(e\))",
    r"^(respuesta automática|fuera de (la )?oficina|resposta automática|fora do escritório|ausência temporária)",
    r"^(risposta automatica|fuori (sede|ufficio)|assente)",
    r"^(automatisch antwoord|afwezig|afwezigheid|niet aanwezig)",
    r"^(autosvar|automatiskt svar|frånvaro|fraværende|automatisk svar|fravær|automaattinen vastaus|poissa)",
    r"^(odpowiedź automatyczna|autoodpowiedź|poza biurem|automatická odpověď|automatikus válasz)",
    r"^(автоответ|автоматический ответ|otomatik yan.t)",
    r"^(自動返信|自動応答|不在|【自動|\[自動|自动回复|自動回覆|자동 ?(회신|응답))",
)
# Subjects that nobody gives a mail of their own, whoever it is from.
SURE_AUTO_REPLY = _any(
    r"auto[- ]?(reply|respon)",
    r"automatic reply",
    r"automatische antwort",
    r"réponse automatique",
    r"autosvar",
    r"自動返信",
)
COMPLAINT_SUBJECT = _any(
    r"^complaint about message from",
    r"^(email )?feedback report",
    r"^abuse report",
    r"^report domain: ",
    r"^\[?dmarc\]? (aggregate|forensic|failure) report",
)
REPLY_PREFIX = re.compile(
    r"^(re|aw|antw|sv|vs|fw|fwd|wg|tr|rif|ynt|odp|回复|答复|转发)(\[\d{1,3}\])?\s?[:\uff1a]", re.IGNORECASE
)
# Where the text of a report ends and the returned message begins.
ORIGINAL_STARTS = re.compile(
    r"^(\s{0,4}-{2,30} ?(below this line|this is a copy"
    r"|original (message|mail)|the header|returned message|included is"
    r"|message header|unsent message|undelivered message|forwarded message|body of|the text"
    r"|message (from|text)|attached|start of|transcript"
    r"|copy of|failed message).{0,100}|received: .{1,200}|return-path: .{1,200}"
    r"|message-id: .{1,200}|\s{0,4}original message:?\s{0,4})$",
    re.MULTILINE,
)
