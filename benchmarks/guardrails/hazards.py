"""What the sources call kinds of harm, in the detector's words."""

import re

HAZARDS = (
    ("child_exploitation", r"Child Abuse|\bcse\b|Child abuse|Sexual exploitation"),
    ("self_harm", r"Self-harm|\bssh\b"),
    ("weapons", r"Weapon|\biwp\b|持有武器|chemical|biological"),
    ("cyber_crimes", r"Malware|malware|网络欺诈|Confidentiality loss"),
    ("sex_crimes", r"\bsrc\b"),
    ("sexual_content", r"Adult|sxc_prn|淫秽色情|'sexual|^sexual"),
    ("privacy", r"\bprv\b|Privacy|隐私|个人信息|personally identifiable"),
    ("intellectual_property", r"\bipv\b|IP/copyright|Counterfeiting|商业道德"),
    ("defamation", r"\bdfm\b|Defamation|名誉权|肖像权"),
    (
        "disinformation",
        r"spc_ele|[Mm]isinformation|虚假有害信息|Electoral|Political manip",
    ),
    ("specialized_advice", r"\bspc_|Unsafe practices|Tailored Financial"),
    (
        "hate",
        r"\bhte\b|Hate speech|Racial|intolerance|歧视|Discrimination|harassment|bullying|^hate",
    ),
    (
        "violent_crimes",
        (
            r"\bvcr\b|[Vv]iolence|恐怖主义|抢劫|伤害他人|贩卖人口|身心健康|Assault|Animal abuse"
            r"|Terrorism"
        ),
    ),
    (
        "non_violent_crimes",
        (
            r"\bncr\b|Theft|Fraud|banned substances|诈骗|伪造|毒品|偷窃|走私|贪污|赌博"
            r"|非法侵入|其他犯罪|Economic Harm|Property crime|unethical|Financial|scams|illegal"
        ),
    ),
)


def hazard(category: str) -> str:
    """The detector's word, or nothing where the source does not say."""
    if category in {name for name, _ in HAZARDS}:
        return category
    return next((name for name, words in HAZARDS if re.search(words, category)), "")
