"""How Chinese, Japanese and Korean addresses are written, as bounded RE2 patterns.

They run from the large to the small, without blanks in Chinese and Japanese. Each begins with a
province or a word that says address, so that ordinary text of these scripts is never held back.
"""

import re

HAN = "\u4e00-\u9fff"
_KANA = "\u3040-\u30ff\u3005"
_HANGUL = "\uac00-\ud7a3"
_COUNT = "0-9一二三四五六七八九十百"

_PROVINCES = (
    "北京|上海|天津|重庆|重慶|河北|山西|辽宁|遼寧|吉林|黑龙江|黑龍江|江苏|江蘇|浙江|安徽|福建|江西|山东"
    "|山東|河南|湖北|湖南|广东|廣東|海南|四川|贵州|貴州|云南|雲南|陕西|陝西|甘肃|甘肅|青海|内蒙古|广西|廣西"
    "|西藏|宁夏|寧夏|新疆|香港|澳门|澳門|台湾|臺灣|台北|臺北|新北|桃园|桃園|台中|臺中|台南|臺南|高雄|九龙|九龍|新界"
)
_CHINESE_LABEL = "(?:地址|住址|居住地|户籍地|戶籍地)(?:为|為|是|在|[:：]) ?"
_CHINESE_VERB = "(?:家住在?|现住在?|現住在?|寄到|寄往|送到|住在|住于|住於)"

_CHINESE_REST = (
    f"(?:[{_COUNT}]{{1,5}}[段弄巷号號])?[{HAN}0-9A-Za-z-]{{0,12}}[{_COUNT}A-Za-z]{{1,6}}"
    f"(?:之[{_COUNT}]{{1,3}})?[号號座栋棟幢室楼樓层層户戶房](?:[{HAN}0-9A-Za-z-]{{0,10}}[室楼樓层層户戶房座])?"
)
_CHINESE = f"(?:{_PROVINCES})[{HAN}]{{1,24}}[路街道巷弄村里段]{_CHINESE_REST}(?: ?[0-9]{{6}}\\b)?"
_CHINESE_PLACE = f"[{HAN}]{{1,20}}[省市区區县縣镇鎮乡鄉村里道路街巷弄]"

_BANCHI = (
    f"[{_COUNT}]{{1,4}}(?:(?:丁目|番地?|号|[-ー\u2212の])[0-9]{{0,4}}){{1,4}}"
    f"(?: ?[{HAN}{_KANA}A-Za-z0-9]{{0,14}}[0-9]{{1,4}}号?室?)?"
)
_JAPANESE = f"(?:東京都|北海道|京都府|大阪府|[{HAN}]{{2,3}}県) ?[{HAN}{_KANA}]{{2,20}} ?{_BANCHI}"
_JAPANESE_LABEL = "住所(?:は|:|：| ){1,2}"

_KOREAN_PROVINCES = (
    "서울|부산|대구|인천|광주|대전|울산|세종|경기|강원|충북|충남|충청북|충청남|전북|전남|전라북|전라남"
    "|경북|경남|경상북|경상남|제주"
)
_KOREAN_STREET = (
    f"[{_HANGUL}0-9]{{1,12}}(?:로|길|동|리|가)(?: ?[0-9]{{1,3}}(?:번길|길))?"
    " ?[0-9]{1,5}(?:-[0-9]{1,4})?(?:번지)?"
    f"(?:,? ?[{_HANGUL}A-Za-z0-9]{{0,12}} ?[0-9]{{1,4}}(?:동|호|층)){{0,2}}"
)
_KOREAN = (
    f"(?:{_KOREAN_PROVINCES})(?:특별시|광역시|특별자치시|특별자치도|도|시)?"
    f"(?: [{_HANGUL}]{{1,6}}(?:시|군|구|읍|면)){{0,3}} {_KOREAN_STREET}"
)
_KOREAN_LABEL = "(?:주소|거주지|배송지)(?:는|은|지는)?[:： ]{1,2}"

LABEL = f"(?:{_CHINESE_LABEL}|{_CHINESE_VERB}|{_JAPANESE_LABEL}|{_KOREAN_LABEL})"
STREET = (
    f"(?:{_CHINESE}|{_JAPANESE}|{_KOREAN}"
    f"|{_CHINESE_LABEL}{_CHINESE_PLACE}(?:{_CHINESE_REST})?(?: ?[0-9]{{6}}\\b)?"
    f"|{_CHINESE_VERB}{_CHINESE_PLACE}{_CHINESE_REST}"
    f"|{_JAPANESE_LABEL}[{HAN}{_KANA}]{{2,20}} ?{_BANCHI}"
    f"|{_KOREAN_LABEL}(?:[{_HANGUL}]{{1,6}} ){{0,3}}{_KOREAN_STREET})"
)
"""An address in Chinese, traditional or simplified, in Japanese or in Korean."""
LONGEST = 110
GOES_ON = re.compile(rf"\A[{HAN}{_KANA}{_HANGUL}0-9A-Za-z :：,-]{{{LONGEST}}}")
"""Text without a stop, longer than any address: a chain of addresses."""
