"""Pure torch maths: beliefs, kernel mixtures, resampling, filtering, estimates."""
