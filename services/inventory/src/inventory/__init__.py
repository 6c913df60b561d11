"""What is installed where: regions, service points, circuits, devices and providers."""
