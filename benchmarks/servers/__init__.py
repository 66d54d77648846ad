"""What a message costs in a server: whole ones, on real sockets, with somebody at the other end."""
