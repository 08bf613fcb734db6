"""How languages say that something is not to be done, or is to be set aside."""

import re
from collections.abc import Callable
from dataclasses import dataclass

Roots = Callable[[str, frozenset[str]], list[str]]
"""By what the words of a text are told from others, whatever their endings, without small words."""

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][a-z]+)?")
_LEAST_LETTERS = 4
_ROOT = 4
"""Letters by which forms of a word are the same, in languages with many endings."""
_ENGLISH_ENDING = re.compile(r"(?<=...)(?:ing|es|ed|s|e)$")
"""Without it, forms of a word are the same: quote, quotes, quoting."""
_ARABIC = re.compile("[\u0621-\u064a]+")
_ARABIC_BEGINNING = re.compile("^(?:[وفبكل]?ال|لل|[وفبل])(?=...)")
_DEVANAGARI = re.compile("[\u0900-\u0963\u0971-\u097f]+")
_TWO_DENSE = re.compile("[\u30a0-\u30ff\u3400-\u9fff\uac00-\ud7af]{2}")
_LEAST_MARKED = 3
"""Letters and vowel signs of a word that says something, in scripts that write fewer."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One language."""

    sets_aside: re.Pattern[str]
    negates: re.Pattern[str]
    little: frozenset[str]
    """Small words, by which a text is taken for this language and which are no subject; of dense
    scripts, pairs of characters that are no subject."""
    roots: Roots
    script: re.Pattern[str] | None = None
    """A text with such a character is of this language; none for those in Latin letters."""


def _wording(little: str, sets_aside: str, negates: str, roots: Roots, script: str = "") -> Wording:
    return Wording(
        re.compile(sets_aside, re.IGNORECASE),
        re.compile(negates, re.IGNORECASE),
        frozenset(little.split()),
        roots,
        re.compile(script) if script else None,
    )


def words_of(text: str) -> list[str]:
    """The words of a text in small letters."""
    return [word.lower() for word in _WORD.findall(text)]


def _english(text: str, little: frozenset[str]) -> list[str]:
    listed = (word for word in words_of(text) if len(word) >= _LEAST_LETTERS)
    return [_ENGLISH_ENDING.sub("", word) for word in listed if word not in little]


def _inflected(text: str, little: frozenset[str]) -> list[str]:
    listed = (word for word in words_of(text) if len(word) >= _LEAST_LETTERS)
    return [word[:_ROOT] for word in listed if word not in little]


def _arabic(text: str, little: frozenset[str]) -> list[str]:
    listed = (word for word in _ARABIC.findall(text) if word not in little)
    found = (_ARABIC_BEGINNING.sub("", word) for word in listed)
    return [word[:_ROOT] for word in found if len(word) >= _LEAST_MARKED]


def _devanagari(text: str, little: frozenset[str]) -> list[str]:
    listed = (word for word in _DEVANAGARI.findall(text) if len(word) >= _LEAST_MARKED)
    return [word[:_ROOT] for word in listed if word not in little]


def _dense(text: str, little: frozenset[str]) -> list[str]:
    """Characters that stand beside one another, two by two."""
    pairs = (text[at : at + 2] for at in range(len(text) - 1))
    return [pair for pair in pairs if pair not in little and _TWO_DENSE.fullmatch(pair)]


def _words(listed: str) -> str:
    return rf"\b(?:{listed})\b"


WORDINGS = {
    "en": _wording(
        "a about after again also always an and answer any anything as be because before being "
        "by could do does doing don't every first for from give have here in into instead is it "
        "just know like make more must never no not of on only or other over rely says should "
        "some such than that the their them then there these they this those to unless until "
        "using very what when where which while will with without would you your",
        _words(
            r"ignor(?:e|es|ing)|disregard(?:s|ing)?|forget(?:s|ting)?|skip(?:s|ping)?|"
            r"overrid(?:e|es|ing)|drop(?:s|ping)?|instead of|no (?:longer|need to)"
        ),
        _words("do not|don['\u2019]t|never|must not|need not|without|avoid|stop|not"),
        _english,
    ),
    "de": _wording(
        "der die das den dem des ein eine einen einer eines und oder ist sind auf aus bei mit "
        "von vom zu zum zur im in für nicht kein keine du sie es wenn dass sich immer auch nur "
        "bitte nach deren dessen worauf worüber deine deinen ihre ihren jede jeder jedes über "
        "unter nie",
        _words(
            r"ignorier\w*|vergiss|vergesst|vergessen|überspring\w*|übergeh\w*|missacht\w*|"
            r"lass\w* .{1,60} weg|anstatt|statt|nicht mehr"
        ),
        _words(r"nicht|nie|niemals|kein\w*|ohne|vermeid\w*|unterlass\w*"),
        _inflected,
    ),
    "fr": _wording(
        "le la les l un une des du de d et ou est sont dans sur pour par avec que qui ne pas "
        "plus tu vous il elle ce cette ces au aux en se son sa ses votre vos ton ta tes lequel "
        "laquelle dont toujours jamais chaque sans quand comme mais leur leurs",
        _words(
            r"ignor\w+|oubli\w+|saut(?:e|ez|er)|omet\w*|laiss\w+ de côté|au lieu de|ne .{1,30} plus"
        ),
        r"\b(?:ne|jamais|sans|évit\w+|arrêt\w+|cess\w+)\b|\bn['\u2019]|\bpas\b",
        _inflected,
    ),
    "es": _wording(
        "el la los las un una unos unas de del y o es son en con por para que se su sus no "
        "nunca al lo le te tu usted siempre cada sin como cuando pero más esto este esta estos "
        "estas sobre donde cuál cual desde hasta entre también",
        _words(
            r"ignor\w+|olvid\w+|omit\w+|sált\w+|salt(?:a|ar|e|es|arse)|prescind\w+|pas\w+ por alto|"
            r"en lugar de|en vez de|ya no"
        ),
        _words(r"no|nunca|jamás|sin|evit\w+|dej\w+ de"),
        _inflected,
    ),
    "pt": _wording(
        "o a os as um uma uns umas de do da dos das e ou é são em no na nos nas com por para "
        "que se seu sua não nunca ao à você sempre cada sem como quando mas mais isto este esta "
        "sobre onde qual desde até entre também pelo pela",
        _words(
            r"ignor\w+|esque[cç]\w+|pul(?:e|ar|a)|omit\w+|desconsider\w+|em vez de|já não|"
            r"não (?:é preciso|precisa)"
        ),
        _words(r"não|nunca|jamais|sem|evit\w+|deix\w+ de|par[ea]r? de"),
        _inflected,
    ),
    "it": _wording(
        "il lo la i gli le un uno una di del della dei degli delle e o è sono in con su per che "
        "si suo sua non mai al alla ai tu lei sempre ogni senza come quando ma più questo "
        "questa cui quale dove dal dalla nel nella sul sulla anche tra",
        _words(
            r"ignor\w+|dimentic\w+|salt(?:a|are|i|ate)|omett\w+|tralasci\w+|invece di|"
            r"non .{1,30} più"
        ),
        _words(r"non|mai|senza|evit\w+|smett\w+"),
        _inflected,
    ),
    "ru": _wording(
        "и или не ни в во на к ко по от до из за для что как это этот эта эти если "
        "когда который которая которые которого ваш ваша вашу ваши свой свою всегда никогда без "
        "только также чтобы быть есть надо",
        _words(
            r"игнорир\w+|забуд\w+|забыть|пропус\w+|пренебрег\w+|отброс\w+|вместо|больше не|не нужно"
        ),
        _words(r"не|никогда|нельзя|без|избега\w+|перестан\w+|запрещ\w+"),
        _inflected,
        "[\u0400-\u04ff]",
    ),
    "ar": _wording(
        "الذي التي الذين على إلى عن من في مع هذا هذه ذلك كل أن إن لا أو دائم عند بعد قبل إليه عليه",
        "(?<![\u0621-\u064a])(?:انس|انسى|إنس|تخط|تخطى|أهمل|اهمل)(?![\u0621-\u064a])"
        "|تجاهل|بدلا من|لم يعد",
        "(?<![\u0621-\u064a])(?:لا|لن|ليس|دون|بدون|تجنب|تجنبي|ممنوع|عدم|أبدا|توقف)(?![\u0621-\u064a])",
        _arabic,
        "[\u0621-\u064a]",
    ),
    "hi": _wording(
        "और या है हैं का की के को से में पर यह वह उस इस जो जिस कि नहीं मत आप अपना अपनी अपने "
        "हमेशा करें करो कभी लिए साथ कृपया",
        "अनदेखा|नज़रअंदाज़|नजरअंदाज|भूल|छोड़|के बजाय|ज़रूरत नहीं|जरूरत नहीं",
        "(?<![\u0900-\u097f])(?:मत|नहीं|न|बिना|बचें|मना)(?![\u0900-\u097f])",
        _devanagari,
        "[\u0900-\u097f]",
    ),
    "ko": _wording(
        "하세 세요 합니 니다 하지 지마 마세 주세 하는 에서 으로 입니 습니 하십 십시 시오 해주 "
        "하고 있는 마십 않습 한다 항상 절대 그리 리고",
        "무시|잊어|잊으|건너뛰|생략|따르지 ?(?:마|말|않)",
        "지 ?(?:마|말|않|못)|금지|필요(?:가|는)? ?없|피하|삼가|없이",
        _dense,
        "[\uac00-\ud7af]",
    ),
    "ja": _wording(
        "必要 場合 常に",
        "無視|忘れ|飛ばし|スキップ|省略|取り消",
        "ない|せず|ません|いけません|なりません|禁止|避け|控え|やめ|不要",
        _dense,
        "[\u3040-\u30ff]",
    ),
    "zh": _wording(
        "不要 不得 不能 不许 請勿 请勿 切勿 禁止 无需 無需 不必 不用 可以 应该 應該 必须 必須 "
        "如果 的时 时候",
        "忽略|忽視|忽视|无视|無視|忘记|忘記|忘掉|跳过|跳過|不用管|不必理会|绕过|繞過|抛开|拋開",
        "不要|不得|不能|不许|不許|不准|不应|不應|不可|不必|不用|不再|从不|從不|勿|禁止|"
        "无需|無需|避免|停止|"
        "(?<![特分类類区區级級个個性差辨识識告离離])[别別]",
        _dense,
        "[\u3400-\u9fff]",
    ),
}
"""By language. Of those told by a script, the first whose script a text has."""
