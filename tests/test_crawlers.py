"""Crawlers are recognised by their user agent; browsers and tools that people use are not."""

import time

import pytest
from make_crawlers import LEFT_OUT, MIN_LENGTH, NARROWED, TARGET, entries, listed, make, substrings

from counter.page_view import MAX_AGENT, PREFIX_LENGTH, is_crawler

ANDROID = (
    "Mozilla/5.0 (Linux; Android 13; {}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36"
)
WEBVIEW = (
    "Mozilla/5.0 (Linux; Android 15; CPH2557 Build/AP3A.240617.008; wv) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Version/4.0 Chrome/131.0.0.0 Mobile Safari/537.36 {}"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) {}Mobile/15E148{}"
)
WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36{}"
)
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/{}"

BROWSERS = [
    WINDOWS.format(""),  # Chrome, and Brave
    WINDOWS.format(" Edg/131.0.0.0"),
    WINDOWS.format(" OPR/116.0.0.0"),
    WINDOWS.format(" Vivaldi/7.0.3495.18"),
    WINDOWS.format(" SE 2.X MetaSr 1.0"),  # Sogou
    WINDOWS.format(" coc_coc_browser/130.0.122"),
    MAC.format("537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"),
    MAC.format("605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15"),
    MAC.format("605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15 Ddg/18.1"),
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (Android 14; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:60.0) Gecko/20100101 Firefox/60.0 SeaMonkey/2.53.1 Lightning/5.8.1",
    "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
    "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)",
    "Opera/9.80 (Android; Opera Mini/36.2/191.249; U; en) Presto/2.12.423 Version/12.16",
    "Lynx/2.9.0 libwww-FM/2.14 SSL-MM/1.4.1 OpenSSL/3.0.13",
    IPHONE.format("Version/18.1 ", " Safari/604.1"),
    IPHONE.format("CriOS/131.0.6778.73 ", " Safari/604.1"),
    IPHONE.format("FxiOS/132.0 ", " Safari/605.1.15"),
    IPHONE.format("", " [FBAN/FBIOS;FBAV/490.0.0.38.107;FBBV/662000000;FBDV/iPhone16,1;FBSV/18.1]"),
    IPHONE.format("", " Instagram 359.0.0.30.85 (iPhone16,1; iOS 18_1; en_US; scale=3.00; 1179x2556)"),
    IPHONE.format("", " Safari Line/14.19.0"),
    IPHONE.format("", " [LinkedInApp]/9.30.1234"),
    IPHONE.format("", " [Pinterest/iOS]"),
    IPHONE.format("", " musical_ly_37.1.0 JsSdk/2.0 NetType/WIFI Channel/App Store"),
    IPHONE.format("GSA/343.0 ", " Safari/604.1"),
    WEBVIEW.format("[FB_IAB/FB4A;FBAV/490.0.0.63.82;]"),
    WEBVIEW.format("MetaIAB Facebook"),
    WEBVIEW.format("Instagram 358.0.0.51.97 Android (35/15; 480dpi; 1080x2400; OPPO; CPH2557; en_GB; 661000000)"),
    WEBVIEW.format("Line/14.20.0/IAB"),
    WEBVIEW.format("MicroMessenger/8.0.50 WeChat/arm64 Weixin NetType/4G Language/zh_CN ABI/arm64"),
    WEBVIEW.format("SogouMSE,SogouMobileBrowser/6.1.5"),
    WEBVIEW.format("Podimo/1.11.3"),
    ANDROID.format("K"),
    ANDROID.format("CUBOT_X18"),
    ANDROID.format("CUBOT X9 Build/CUBOT"),
    ANDROID.format("Cubot KingKong 5"),
    ANDROID.format("HTC Butterfly S"),
    ANDROID.format("Panasonic ELUGA I9"),
    ANDROID.format("Fever_Plus_J"),
    ANDROID.format("SMART 4G Speedy 5.0 Plus"),
    ANDROID.format("Expanse"),
    ANDROID.format("Odin; Build/AYN"),
    ANDROID.format("SAMSUNG SM-S918B").replace("Chrome/", "SamsungBrowser/27.0 Chrome/"),
    ANDROID.format("KFTRWI").replace("Chrome/", "Silk/131.2.1 like Chrome/"),
    ANDROID.format("PixelOptimizer)").replace("))", ")"),
    "Mozilla/5.0 (SMART-TV; Linux; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) Version/7.0 TV Safari/537.36",
    "Amazon CloudFront",  # the user agent of every visitor when CloudFront is in front of the counter
]

TOOLS = [
    "curl/8.10.1",
    "Wget/1.24.5",
    "Wget2/2.1.0",
    "HTTPie/3.2.4",
    "xh/0.22.2",
    "python-requests/2.32.3",
    "Python-urllib/3.12",
    "python-httpx/0.27.2",
    "Python/3.12 aiohttp/3.11.2",
    "Go-http-client/2.0",
    "okhttp/4.12.0",
    "axios/1.7.7",
    "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
    "node",
    "undici",
    "got (https://github.com/sindresorhus/got)",
    "libwww-perl/6.77",
    "Apache-HttpClient/5.3.1 (Java/21.0.2)",
    "Java/21.0.2",
    "Java-http-client/21.0.2",
    "Jersey/2.25.1 (HttpUrlConnection 1.8.0_141)",
    "PHP-Curl-Class/9.19.2 (+https://github.com/php-curl-class/php-curl-class) PHP/8.3.6 curl/8.5.0",
    "GuzzleHttp/7",
    "Mechanize/2.12.2 Ruby/3.3.0p0 (http://github.com/sparklemotion/mechanize/)",
    "PostmanRuntime/7.42.0",
    "insomnia/10.1.1",
    "Playwright/1.49.0 (x64; ubuntu 24.04) node/22.11",
    "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.5129",
    "Deno/2.0.6",
    "Bun/1.1.34",
    "reqwest/0.12.9",
]

CRAWLERS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)",
    "CCBot/2.0 (https://commoncrawl.org/faq/)",
    "nobody-has-heard-of-this-bot/0.1",
    WINDOWS.replace("Chrome/", "HeadlessChrome/").format(""),
    WINDOWS.replace("Chrome/", "HeadlessChrome/").format(" Prerender (+https://github.com/prerender/prerender)"),
    WINDOWS.replace("Chrome/", "HeadlessEdg/").format(""),
]


def test_the_list_is_what_the_script_makes() -> None:
    """crawlers.txt is exactly what the script makes of the pinned package; nobody has edited it by hand."""
    assert TARGET.read_text(encoding="utf-8") == make()


def test_the_packages_own_examples_are_recognised() -> None:
    """The substrings match at least 97 % of the user agents that the package gives as examples."""
    agents = [agent for entry, _ in listed() for agent in entry["instances"]]
    missed = [agent for agent in agents if not is_crawler(agent)]
    assert len(agents) > 1900
    assert len(missed) <= 0.03 * len(agents), missed


@pytest.mark.parametrize("agent", CRAWLERS)
def test_crawlers_are_recognised(agent: str) -> None:
    """Well-known crawlers are recognised, and so are those whose names contain "bot" or the like."""
    assert is_crawler(agent)
    assert is_crawler(agent.upper())


@pytest.mark.parametrize("agent", BROWSERS)
def test_browsers_are_people(agent: str) -> None:
    """No real browser is taken for a crawler, on any phone and inside any app."""
    assert not is_crawler(agent)


@pytest.mark.parametrize("agent", TOOLS)
def test_people_with_command_line_tools_are_people(agent: str) -> None:
    """HTTP tools and client libraries are not taken for crawlers."""
    assert not is_crawler(agent)


def test_what_is_left_out_matches_no_other_entry() -> None:
    """The package's examples of tools that people use match no other entry either, except one that is named a bot."""
    agents = [agent for entry in entries() if entry["pattern"] in LEFT_OUT for agent in entry["instances"]]
    assert [agent for agent in agents if is_crawler(agent)] == ["WGETbot/1.0 (+http://wget.alanreed.org)"]


@pytest.mark.parametrize("agent", ["", " ", "-", "bot", "x", "Mozilla/5.0"])
def test_no_agent_is_no_crawler(agent: str) -> None:
    """A missing or very short user agent is not taken for a crawler."""
    assert not is_crawler(agent)


def test_a_long_agent_costs_no_more() -> None:
    """Only the first characters of a user agent are searched, so a long one does not make a visit expensive."""
    assert is_crawler("x" * (MAX_AGENT - 10) + "googlebot/")
    assert not is_crawler("x" * MAX_AGENT + "googlebot/")
    begun = time.process_time()
    is_crawler("googgoog" * 1_000_000)
    assert time.process_time() - begun < 1


def test_every_exception_is_still_needed() -> None:
    """Every pattern with special treatment is still in the package."""
    patterns = {entry["pattern"] for entry in entries()}
    assert patterns >= LEFT_OUT | set(NARROWED)
    assert not LEFT_OUT & set(NARROWED)


def test_the_list_is_well_formed() -> None:
    """Entries are lower-case and long enough for the lookup, and none contains another."""
    lines = [line for line in TARGET.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert len(lines) > 1000
    assert all(line == line.lower() and len(line) >= max(MIN_LENGTH, PREFIX_LENGTH) for line in lines)
    assert not [(one, other) for one in lines for other in lines if one != other and one in other]


@pytest.mark.parametrize(
    "pattern, expected",
    [
        (r"Googlebot\/", ["googlebot/"]),
        (r"^curl", ["curl"]),
        (r"S[eE][mM]rushBot", ["semrushbot"]),
        (r"Ahrefs(Bot|SiteAudit)", ["ahrefsbot", "ahrefssiteaudit"]),
        (r"One Thing|Another", ["another", "one thing"]),
        (r"AdsBot-Google([^-]|$)", ["adsbot-google"]),
        (r"Feed\/\d\.\d+ Feed-Fetcher", [" feed-fetcher"]),
        (r"ContextualBot[\s\S]*out\.net", ["contextualbot"]),
    ],
)
def test_patterns_become_substrings(pattern: str, expected: list[str]) -> None:
    """A pattern's alternatives are expanded, and its longest plain part is used."""
    assert substrings(pattern) == expected


@pytest.mark.parametrize("pattern", ["a{2}", "colou?r", "(open", "[open", "closed)", "end\\"])
def test_an_unknown_pattern_is_refused(pattern: str) -> None:
    """A construct that the script does not know is an error; it never makes a wrong entry."""
    with pytest.raises(ValueError, match=r"cannot read|not closed|too early"):
        substrings(pattern)
