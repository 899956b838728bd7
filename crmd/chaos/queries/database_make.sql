-- The scratch database; {name} is made of random hex digits by the caller.
CREATE DATABASE {name}
