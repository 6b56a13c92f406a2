"""Selectors: what they ask of labels, written as in Kubernetes or as DIANNE's LDAP filters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganforge.errors import BadInput
from ganforge.wire.labels import LabelSelector
from ganforge_coordinator import ldap_filter, selector
from ganforge_coordinator.selector import Compare, Has, In, Like, Not, Selector

LABELS = {
    "name": "gpu-3",
    "os": "linux",
    "arch": "x86_64",
    "gpu.count": "2",
    "gpu.name": "NVIDIA H100 80GB",
    "cuda": "12.4",
    "note": "a (b)*c\\",
}


def asks(wanted: Selector) -> bool:
    return selector.matches(wanted, LABELS)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("(os=linux)", True),
        ("(OS=linux)", True),
        ("(os=Linux)", False),
        ("( os = linux )", True),
        ("(os=*)", True),
        ("(pool=*)", False),
        ("(pool=)", False),
        ("(os=lin*)", True),
        ("(os=*x)", True),
        ("(os=l*n*x)", True),
        ("(os=lin*inux)", False),
        ("(os=*ux*)", True),
        ("(os=*xu*)", False),
        ("(gpu.name=*H100*)", True),
        ("(gpu.count>=2)", True),
        ("(gpu.count>=10)", False),
        ("(gpu.count<=1)", False),
        ("(cuda>=12)", True),
        ("(cuda<=12.10)", False),
        ("(os>=a)", True),
        ("(os>=1)", False),
        ("(pool>=1)", False),
        ("(&(os=linux)(arch=x86_64))", True),
        (" ( & (os=linux) (arch=arm) ) ", False),
        ("(|(os=windows)(arch=x86_64))", True),
        ("(|(os=windows)(arch=arm))", False),
        ("(!(os=windows))", True),
        ("(!(pool=blue))", True),
        ("(&(os=linux)(!(|(name=gpu-3)(name=gpu-4))))", False),
        (r"(note=a \28b\29\2ac\5c)", True),
        (r"(note=a \(b\)\*c\\)", True),
        (r"(note=*\2a*)", True),
    ],
)
def test_an_ldap_filter_asks_what_it_says(text: str, fits: bool) -> None:
    assert asks(ldap_filter.parse(text)) is fits


@pytest.mark.parametrize(
    ("text", "character", "why"),
    [
        ("", 1, r"begins with \("),
        ("os=linux", 1, r"begins with \("),
        ("(os=linux", 10, "is missing"),
        ("(os=linux))", 11, "is over"),
        ("(os=linux)(arch=arm)", 11, "put several into one"),
        ("()", 2, "name is missing"),
        ("(=linux)", 2, "name is missing"),
        ("(ös=linux)", 2, "name is missing"),
        ("(os)", 4, "comes =, >= or <="),
        ("(os~=linux)", 4, "comes =, >= or <="),
        ("(os:dn:=linux)", 4, "comes =, >= or <="),
        ("(&)", 3, r"begins with \("),
        ("(&(os=linux)arch=arm)", 13, "is missing"),
        ("(!(os=linux)(arch=arm))", 13, "is missing"),
        ("(os=li(nux)", 7, r"\\28"),
        (r"(os=li\nux)", 7, "hexadecimal"),
        (r"(os=\ff)", 8, "UTF-8"),
        ("(gpu.count>=2*)", 11, r"takes no \*"),
        ("(!" * 40 + "(os=linux)" + ")" * 40, 66, "32 deep"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused_where_it_is_wrong(
    text: str, character: int, why: str
) -> None:
    with pytest.raises(BadInput, match=rf"at character {character}: .*{why}") as refused:
        ldap_filter.parse(text)
    assert refused.value.members["errors"][0]["pointer"] == "/targetFilter"


@given(st.text(alphabet="()&|!=<>~:*\\ aZ1.é\ud800", max_size=40))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        wanted = ldap_filter.parse(text)
    except BadInput:
        return
    assert selector.of_json(selector.as_json(wanted)) == wanted


KEYS = st.sampled_from(["os", "arch", "gpu.count", "pool"])
VALUES = st.text(st.characters(codec="utf-8"), max_size=5).map(str.strip)
ITEMS: st.SearchStrategy[Selector] = st.one_of(
    st.builds(Has, key=KEYS),
    st.builds(In, key=KEYS, values=st.tuples(VALUES)),
    st.builds(Compare, key=KEYS, sign=st.sampled_from([">=", "<="]), value=VALUES),
    st.builds(Like, key=KEYS, parts=st.tuples(VALUES, VALUES, VALUES).filter(any)),
)
SELECTORS = st.recursive(
    ITEMS,
    lambda inner: st.one_of(
        st.builds(Not, of=inner),
        st.lists(inner, min_size=1, max_size=3).map(selector.every),
        st.lists(inner, min_size=1, max_size=3).map(selector.some),
    ),
    max_leaves=8,
)


def as_ldap(wanted: Selector) -> str:
    """Write a selector as an LDAP filter, every sign of its values escaped."""
    match wanted:
        case selector.Every(of=parts):
            return f"(&{''.join(map(as_ldap, parts))})"
        case selector.Some(of=parts):
            return f"(|{''.join(map(as_ldap, parts))})"
        case Not(of=part):
            return f"(!{as_ldap(part)})"
        case Has(key=key):
            return f"({key}=*)"
        case In(key=key, values=values):
            return f"({key}={escaped(values[0])})"
        case Like(key=key, parts=parts):
            return f"({key}={'*'.join(map(escaped, parts))})"
        case Compare(key=key, sign=sign, value=value):
            return f"({key}{sign}{escaped(value)})"


def escaped(value: str) -> str:
    return "".join(f"\\{byte:02x}" for byte in value.encode())


@given(SELECTORS)
def test_what_is_written_as_a_filter_is_read_as_it_was(wanted: Selector) -> None:
    assert ldap_filter.parse(as_ldap(wanted)) == wanted


@given(SELECTORS, SELECTORS, st.dictionaries(KEYS, VALUES))
def test_and_or_and_not_are_those_of_logic(
    one: Selector, other: Selector, labels: dict[str, str]
) -> None:
    a, b = selector.matches(one, labels), selector.matches(other, labels)
    assert selector.matches(selector.every([one, other]), labels) == (a and b)
    assert selector.matches(selector.some([one, other]), labels) == (a or b)
    assert selector.matches(Not(of=one), labels) != a


@given(st.permutations(["(os=linux)", "(arch=arm)", "(!(pool=*))", "(os=linux)"]))
def test_the_same_in_another_order_is_the_same_selector(items: list[str]) -> None:
    wanted = ldap_filter.parse(f"(&{''.join(items)})")
    assert selector.as_text(wanted) == selector.as_text(
        ldap_filter.parse("(&(&(os=linux)(!(pool=*)))(arch=arm))")
    )


def kubernetes(**parts: object) -> Selector:
    wanted = selector.of_labels(LabelSelector.model_validate(parts))
    assert wanted is not None
    return wanted


@pytest.mark.parametrize(
    ("key", "operator", "values", "fits"),
    [
        ("os", "In", ["linux", "windows"], True),
        ("os", "In", ["windows"], False),
        ("pool", "In", ["blue"], False),
        ("os", "NotIn", ["windows"], True),
        ("os", "NotIn", ["linux"], False),
        ("pool", "NotIn", ["blue"], True),  # as in Kubernetes
        ("os", "Exists", [], True),
        ("pool", "Exists", [], False),
        ("os", "DoesNotExist", [], False),
        ("pool", "DoesNotExist", [], True),
        ("gpu.count", "Gt", ["1"], True),
        ("gpu.count", "Gt", ["2"], False),
        ("gpu.count", "Lt", ["10"], True),
        ("os", "Gt", ["1"], False),
        ("pool", "Lt", ["1"], False),
    ],
)
def test_a_requirement_asks_what_it_asks_in_kubernetes(
    key: str, operator: str, values: list[str], fits: bool
) -> None:
    wanted = {"key": key, "operator": operator, "values": values}
    assert asks(kubernetes(matchExpressions=[wanted])) is fits


def test_labels_and_requirements_must_all_fit() -> None:
    expressions = [{"key": "gpu.count", "operator": "Gt", "values": [1]}]
    assert asks(kubernetes(matchLabels={"os": "linux"}, matchExpressions=expressions))
    assert not asks(kubernetes(matchLabels={"os": "windows"}, matchExpressions=expressions))


def test_both_ways_to_ask_for_the_same_give_one_selector() -> None:
    one = kubernetes(matchLabels={"os": "linux", "arch": "arm"})
    assert selector.as_text(one) == selector.as_text(ldap_filter.parse("(&(arch=arm)(os=linux))"))


def test_a_selector_that_asks_for_nothing_is_none() -> None:
    assert selector.of_labels(LabelSelector()) is None
