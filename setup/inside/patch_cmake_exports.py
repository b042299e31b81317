"""Make the CMake exports of the ROS wheels usable on the machine they were installed on.

The exported Python targets name the include folders of the machine that built the wheels, and
CMake refuses a target with a folder that does not exist. Every user of these targets looks up
Python and NumPy itself, so the entries are emptied. Running it again changes nothing.
"""

import re
import sys
from pathlib import Path

FOREIGN = re.compile(r'INTERFACE_INCLUDE_DIRECTORIES "/opt/python/[^"]*"')

for export in Path(sys.prefix, "share").glob("*/cmake/*__rosidl_generator_pyExport.cmake"):
    text = export.read_text()
    patched = FOREIGN.sub('INTERFACE_INCLUDE_DIRECTORIES ""', text)
    if patched != text:
        export.write_text(patched)
