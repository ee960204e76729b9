"""Rules, each with the mistakes that it must catch, for the checks that are lists of rules; and how a check reports."""

import copy
import sys


class Rules:
    """The rules of one check. `seen_as` makes what the rules look at out of what mistakes are planted in."""

    def __init__(self, seen_as=lambda subject: subject):
        self.rules, self.seen_as = [], seen_as

    def __len__(self):
        return len(self.rules)

    def rule(self, says, *mistakes):
        """Registers a rule: a generator of complaints, and the mistakes that it must complain about."""

        def register(check):
            self.rules.append((says, check, mistakes))
            return check

        return register

    def check(self, subject):
        seen = self.seen_as(subject)
        return [f"{complaint} (rule: {says})" for says, check, _ in self.rules for complaint in check(seen)]

    def self_test(self, subject):
        """How many mistakes were planted, each in a copy, and those that nobody saw."""
        planted, unseen = 0, []
        for says, check, mistakes in self.rules:
            for number, plant in enumerate(mistakes, 1):
                planted += 1
                broken = copy.deepcopy(subject)
                plant(broken)
                if not any(True for _ in check(self.seen_as(broken))):
                    unseen.append(f"mistake {number} went unseen (rule: {says})")
            if not mistakes:
                unseen.append(f"no mistake is planted (rule: {says})")
        return planted, unseen


def report(place, problems, done):
    """Ends the check: with what is wrong, or with what was `done`."""
    for problem in problems:
        print(f"{place}: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)
    print(done)
