"""What `mdps doctor` asks of a bag or of a running graph."""
