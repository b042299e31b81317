"""Camera-to-map localization with mixture-density particle filters.

Who may import whom (a lower line never imports a higher one; siblings never each other):

    ros  | cli                       the edges: rclpy lives in `ros` only
    training | evaluation | runtime  learned constants; numbers; real-time logic
    models | maps | data | sim       measurement and motion models; maps; bags and drives; simulator
    core                             pure torch maths: no I/O, no clock, no global random numbers
    settings, notes                  standard library and PyYAML only

The extend_path call lets a source checkout and the installed package, which holds the
generated `mdps_ros.msg`, be one import package, whichever comes first on sys.path.
"""

__path__ = __import__("pkgutil").extend_path(__path__, __name__)
__version__ = "0.1.0"
