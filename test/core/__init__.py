"""Tests of mdps_ros.core.

"specification: 5" names an entry of the numbered list of correctness tests in the project's
specification of the MDPF and MDPS.
"""
