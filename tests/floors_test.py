#!/usr/bin/env python3
"""Tests of floors.py, on houses that nobody lives in."""

import unittest

import floors


class Floors(unittest.TestCase):
    def wrong(self, files):
        return list(floors.problems(files))

    def test_a_file_may_include_its_floor_and_what_is_below(self):
        self.assertEqual([], self.wrong({
            "lib/core/log.cpp": ["lib/core/log.hpp", "include/ssugraph/log.hpp"],
            "lib/ops/ssu/dispatch.cpp": ["lib/ops/ssu/resolve.hpp", "lib/core/log.hpp"],
            "graphs/lane/lane.cpp": ["graphs/record/capture.hpp", "lib/step/operand.hpp"],
        }))

    def test_nothing_includes_a_floor_above(self):
        wrong = self.wrong({"lib/core/device.hpp": ["include/ssugraph/ssu.hpp"],
                            "lib/step/operand.hpp": ["graphs/core/nvtx.hpp"]})
        self.assertEqual(2, len(wrong))
        self.assertIn("lib/core/device.hpp: on floor 'core' includes include/ssugraph/ssu.hpp", wrong[0])

    def test_a_header_and_its_source_are_one_room(self):
        wrong = self.wrong({"graphs/record/a.hpp": ["graphs/record/b.hpp"],
                            "graphs/record/b.cu": ["graphs/record/c.hpp"],
                            "graphs/record/c.hpp": ["graphs/record/a.hpp"]})
        self.assertEqual(["a circle: graphs/record/a, graphs/record/b, graphs/record/c"], wrong)

    def test_a_circle_is_found_wherever_it_is_entered(self):
        wrong = self.wrong({"lib/step/a.hpp": ["lib/step/b.hpp"],
                            "lib/step/b.hpp": ["lib/step/c.hpp", "lib/step/d.hpp"],
                            "lib/step/c.hpp": ["lib/step/b.hpp"],
                            "lib/step/d.hpp": []})
        self.assertEqual(["a circle: lib/step/b, lib/step/c"], wrong)

    def test_a_file_stands_on_a_floor(self):
        wrong = self.wrong({"lib/attic/box.hpp": [], "include/ssugraph/new.hpp": []})
        self.assertEqual(["lib/attic/box.hpp: stands on no floor",
                          "include/ssugraph/new.hpp: stands on no floor"], wrong)

    def test_backends_know_nothing_of_each_other(self):
        wrong = self.wrong({"lib/ops/ssu/backends/native/a.cpp":
                            ["lib/ops/ssu/backends/triton/b.hpp", "lib/ops/ssu/backends/c.hpp"]})
        self.assertEqual(["lib/ops/ssu/backends/native/a.cpp: includes "
                          "lib/ops/ssu/backends/triton/b.hpp of another backend"], wrong)

    def test_a_place_on_a_floor_is_of_something(self):
        wrong = list(floors.empty_places({"lib/core/log.hpp": [], "include/ssugraph/log.hpp": []}))
        self.assertIn("graphs/lane/: a floor without it", wrong)
        self.assertNotIn("lib/core/: a floor without it", wrong)
        self.assertNotIn("include/ssugraph/log.: a floor without it", wrong)

    def test_includes_are_read_as_they_are_written(self):
        text = '#pragma once\n#  include "lib/core/log.hpp"\n#include <ssugraph/log.hpp>\n#include <vector>\n'
        self.assertEqual(["lib/core/log.hpp", "ssugraph/log.hpp"], floors.INCLUDE.findall(text))

    def test_the_template_of_a_source_is_of_the_room_that_it_is_named_after(self):
        self.assertEqual("lib/ops/ssu/backends/native/find_kernel",
                         floors.room_of("lib/ops/ssu/backends/native/find_kernel.cu.in"))


if __name__ == "__main__":
    unittest.main()
