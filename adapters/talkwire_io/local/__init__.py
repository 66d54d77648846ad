"""A Realtime service on your own machine: real WebRTC and websockets, around talkwire's `Service`.

    calls = Calls(await asyncio.to_thread(load_voice), RuleBrain())
    app.register_blueprint(realtime_blueprint(calls))

`Calls` is in `talkwire_io.local.calls`, `realtime_blueprint` in `talkwire_io.local.blueprint`, and
the voice in `talkwire_io.local.voice`. They are not imported here: the voice must be importable
where aiortc is not installed, and the other way round.
"""
