"""Print the site-packages folder of the interpreter that runs this."""

import sysconfig

print(sysconfig.get_paths()["purelib"])
