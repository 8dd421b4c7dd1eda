"""prometheus.py - a strict reader of Prometheus' text format 0.0.4: what a scraper would take, and what it would complain of."""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')


class Wrong(AssertionError):
    pass


def number(text):
    if text in ("+Inf", "-Inf", "NaN"):
        return float(text.replace("Inf", "inf"))
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", text):
        raise Wrong("no number: %r" % text)
    return float(text)


def labels(text):
    found, at = {}, 0
    while at < len(text):
        m = LABEL.match(text, at)
        if not m:
            raise Wrong("no label: %r" % text[at:])
        if m.group(1) in found:
            raise Wrong("label %s twice" % m.group(1))
        found[m.group(1)] = m.group(2)
        at = m.end()
        if at < len(text):
            if text[at] != ",":
                raise Wrong("no comma: %r" % text[at:])
            at += 1
    return found


def histogram_check(name, samples):
    buckets = [(number(l["le"]), v) for n, l, v in samples if n == name + "_bucket"]
    totals = [v for n, _, v in samples if n == name + "_count"]
    sums = [v for n, _, v in samples if n == name + "_sum"]
    if buckets != sorted(buckets) or [v for _, v in buckets] != sorted(v for _, v in buckets):
        raise Wrong("%s: buckets out of order" % name)
    if not buckets or buckets[-1][0] != float("inf") or totals != [buckets[-1][1]] or len(sums) != 1:
        raise Wrong("%s: +Inf, _count and _sum do not agree" % name)


def parse(text):
    """{name: {"type", "help", "samples": [(name, labels, value)]}}; Wrong when a scraper would not take it."""
    if not text.endswith("\n"):
        raise Wrong("the last line has no end")
    families, current, seen = {}, None, set()
    for line in text[:-1].split("\n"):
        m = re.fullmatch(r"# HELP (%s) (\S.*)" % NAME, line)
        if m:
            current = m.group(1)
            if current in families:
                raise Wrong("%s twice" % current)
            families[current] = {"help": m.group(2), "type": None, "samples": []}
            continue
        m = re.fullmatch(r"# TYPE (%s) (counter|gauge|histogram)" % NAME, line)
        if m:
            if m.group(1) != current or families[current]["type"] or families[current]["samples"]:
                raise Wrong("TYPE out of place: %r" % line)
            families[current]["type"] = m.group(2)
            continue
        m = re.fullmatch(r"(%s)(?:\{(.*)\})? (\S+)" % NAME, line)
        if not m:
            raise Wrong("no line of the format: %r" % line)
        name, found, value = m.group(1), labels(m.group(2) or ""), number(m.group(3))
        family = families[current]
        ends = ("_bucket", "_sum", "_count") if family["type"] == "histogram" else ("",)
        if name not in [current + e for e in ends]:
            raise Wrong("%s stands below %s" % (name, current))
        key = (name, tuple(sorted(found.items())))
        if key in seen:
            raise Wrong("%r twice" % (key,))
        seen.add(key)
        family["samples"].append((name, found, value))
    for name, family in families.items():
        if family["type"] is None:
            raise Wrong("%s has no TYPE" % name)
        if family["type"] == "histogram":
            histogram_check(name, family["samples"])
        if (family["type"] == "counter") != name.endswith("_total"):
            raise Wrong("%s is a %s: counters, and they alone, end in _total" % (name, family["type"]))
        if re.search(r"_(ms|millis|minutes|kb|mib)(_|$)", name):
            raise Wrong("%s: units are seconds and bytes" % name)
        if not family["help"].endswith("."):
            raise Wrong("%s: HELP is a sentence" % name)
    return families


def value(families, name, **which):
    """Of the one sample of that name with these labels."""
    found = [v for f in families.values() for n, l, v in f["samples"] if n == name and all(l.get(k) == w for k, w in which.items())]
    if len(found) != 1:
        raise Wrong("%s %r: %d samples" % (name, which, len(found)))
    return found[0]
