#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What kiln project makes of platformio.ini, held against PlatformIO's own reader.

    PYTHONPATH=PLATFORMIO-CORE tests/tools/platformio_peer.py build/kiln FOLDER...

Every platformio.ini below the folders is read by both: the same environments, options, values and default
environments, and an error where the other has one. Only the order of environments from `extra_configs` with a
pattern may differ: PlatformIO takes the files as the disk lists them. For people to run: PlatformIO Core, or its
source, must be importable.
"""
import json
import os
import signal
import subprocess
import sys

from platformio.project.config import ProjectConfig

SECONDS = 60


class TooSlow(Exception):
    """PlatformIO follows a cycle of `extends` for ever."""


def give_up(*_):
    raise TooSlow


def attempt(get):
    try:
        return get()
    except TooSlow:
        raise
    except Exception as error:  # whatever PlatformIO refuses with
        return {'error': '%s: %s' % (type(error).__name__, error)}


def by_platformio(folder):
    os.chdir(folder)
    config = attempt(lambda: ProjectConfig(os.path.join(folder, 'platformio.ini')))
    if isinstance(config, dict):
        return config
    names = attempt(config.envs)
    if isinstance(names, dict):
        return names
    environments = {}
    for name in names:
        options = attempt(lambda: config.options(env=name))
        if not isinstance(options, dict):
            options = {option: attempt(lambda: config.get('env:' + name, option)) for option in options}
        environments[name] = options
    return {'environments': environments, 'default': attempt(lambda: list(config.get('platformio', 'default_envs')
                                                                          or []))}


def by_kiln(kiln, folder):
    done = subprocess.run([kiln, 'project', '-p', folder, '--json'], capture_output=True, timeout=SECONDS, check=False)
    if done.returncode != 0:
        return {'error': (done.stdout + done.stderr).decode('utf-8', 'replace').strip()}
    project = json.loads(done.stdout)
    return {'environments': {e['name']: e['options'] for e in project['environments']}, 'default': project['default']}


def failed(value):
    return isinstance(value, dict) and 'error' in value


def same(theirs, ours):
    if failed(theirs) or failed(ours):
        return failed(theirs) and failed(ours)
    theirs = list(theirs) if isinstance(theirs, tuple) else theirs
    return type(theirs) is type(ours) and theirs == ours


def differences(theirs, ours, count):
    if failed(theirs) or failed(ours):
        if not same(theirs, ours):
            yield 'as a whole', theirs, ours
        return
    if not same(theirs['default'], ours['default']):
        yield 'default_envs', theirs['default'], ours['default']
    if set(theirs['environments']) != set(ours['environments']):
        yield 'environments', sorted(theirs['environments']), sorted(ours['environments'])
    for name, options in theirs['environments'].items():
        mine = ours['environments'].get(name, {})
        if failed(options):
            continue
        count['environments'] += 1
        if list(options) != list(mine):
            yield name, list(options), list(mine)
        for option in options:
            count['values'] += 1
            count['errors'] += failed(options[option])
            if not same(options[option], mine.get(option)):
                yield '%s, %s' % (name, option), options[option], mine.get(option)


def main():
    kiln = os.path.realpath(sys.argv[1])
    count = {'projects': 0, 'environments': 0, 'values': 0, 'errors': 0, 'differences': 0}
    signal.signal(signal.SIGALRM, give_up)
    for root in map(os.path.realpath, sys.argv[2:]):
        for folder, _, files in os.walk(root):
            if 'platformio.ini' not in files:
                continue
            count['projects'] += 1
            signal.alarm(SECONDS)
            try:
                theirs = by_platformio(folder)
            except TooSlow:
                theirs = {'error': 'PlatformIO does not end'}
            signal.alarm(0)
            for place, one, other in differences(theirs, by_kiln(kiln, folder), count):
                count['differences'] += 1
                print('%s: %s\n    PlatformIO %.300r\n    Kiln       %.300r' % (folder, place, one, other))
    print(', '.join('%d %s' % (number, what) for what, number in count.items()))
    return 1 if count['differences'] or not count['projects'] else 0


if __name__ == '__main__':
    sys.exit(main())
