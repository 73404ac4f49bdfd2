"""The same work under the schedulers that people use now, on the same image."""
