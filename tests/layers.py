#!/usr/bin/env python3
"""Prints each #include against the direction of the layers, each circle, and each source file that is too long.

The layers are those that the CMakeLists.txt files declare with proxyd_layer(): a file may include what its own layer
HAS and what the layers that it USES have. The build keeps to that, too; this check says it in words, finds circles
among files and folders of one layer, and needs no build. Exit status 1 when there is something to print.

usage: layers.py [DIRECTORY]   of a checkout (default: the one that it stands in)
"""

import os
import re
import sys

_LONGEST = 400  # lines of a source file
_LIBRARIES = ("::",)  # what USES names beside layers


def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def declared_layers(top):
    """{name: (folders and files, layers that it uses)}"""
    layers = {}
    for folder, _, files in os.walk(top):
        if "CMakeLists.txt" not in files or f"{os.sep}build" in folder[len(top):]:
            continue
        for call in re.findall(r"^proxyd_layer\(([^)]*)\)", _read(os.path.join(folder, "CMakeLists.txt")), re.M):
            words = call.split()
            lists, current = {"HAS": [], "SOURCES": [], "USES": []}, None
            for word in words[1:]:
                if word in lists:
                    current = lists[word]
                else:
                    current.append(word)
            uses = [word for word in lists["USES"] if not any(mark in word for mark in _LIBRARIES)]
            layers[words[0]] = (lists["HAS"], uses)
    return layers


def reached(layers, name, seen=None):
    """The layer and all that it uses, near or far."""
    seen = set() if seen is None else seen
    if name not in seen:
        seen.add(name)
        for used in layers[name][1]:
            reached(layers, used, seen)
    return seen


def layer_of(layers, path):
    found = [(len(entry), name) for name, (entries, _) in layers.items() for entry in entries
             if path == entry or path.startswith(entry + "/") or path == os.path.splitext(entry)[0] + ".cc"]
    return max(found)[1] if found else None


def source_files(top):
    for part in ("protocol", "backends", "proxyd"):
        for folder, _, files in os.walk(os.path.join(top, part)):
            for name in files:
                if name.endswith((".cc", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), top)


def circle(arrows):
    """One circle as a list of nodes, or None."""
    state, path = {}, []

    def visit(node):
        state[node] = "open"
        path.append(node)
        for following in sorted(arrows.get(node, ())):
            if state.get(following) == "open":
                return path[path.index(following):] + [following]
            if following not in state:
                found = visit(following)
                if found:
                    return found
        state[node] = "done"
        path.pop()
        return None

    for node in sorted(arrows):
        if node not in state:
            found = visit(node)
            if found:
                return found
    return None


def problems(top):
    layers = declared_layers(top)
    among_files, among_folders = {}, {}
    for path in sorted(source_files(top)):
        text = _read(os.path.join(top, path))
        own = layer_of(layers, path)
        if own is None:
            yield f"{path}: no layer has it: name it in a proxyd_layer()"
            continue
        allowed = reached(layers, own)
        for number, line in enumerate(text.split("\n"), 1):
            include = re.match(r'#include "([^"]+)"', line)
            if not include:
                continue
            target = layer_of(layers, include[1])
            if target is None:
                yield f"{path}:{number}: {include[1]} is in no layer"
            elif target not in allowed:
                yield f"{path}:{number}: {own} does not use {target}: {include[1]} must not be included here"
            among_files.setdefault(path, set()).add(include[1])
            folders = os.path.dirname(path), os.path.dirname(include[1])
            if folders[0] != folders[1]:
                among_folders.setdefault(folders[0], set()).add(folders[1])
        lines = text.count("\n")
        if lines > _LONGEST:
            yield f"{path}: {lines} lines, {_LONGEST} are allowed: cut it by topic"
    for what, arrows in (("layers", {name: uses for name, (_, uses) in layers.items()}), ("files", among_files),
                         ("folders", among_folders)):
        found = circle(arrows)
        if found:
            yield f"a circle of {what}: {' -> '.join(found)}"


def main():
    if len(sys.argv) > 2 or sys.argv[1:2] in (["-h"], ["--help"]):
        print(__doc__)
        return 0 if len(sys.argv) == 2 else 2
    top = sys.argv[1] if len(sys.argv) == 2 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = list(problems(top))
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
