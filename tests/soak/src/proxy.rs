//! A proxy between the bridge and Konektor that cuts, delays and holds back what passes.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use load::table::Table;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

/// What it does to what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Nothing.
    Calm,
    /// Delays everything a little.
    Slow,
    /// Cuts connections: while they are opened, in a request, before an answer, in an answer.
    Cutting,
    /// Holds some requests back until their sender must have given up (10 s), and delivers them then. Shorter than the
    /// 30 s within which a create is committed or never (assumption A1).
    Late,
}

/// What has happened to what passed.
#[derive(Default)]
struct Counts {
    cut: Cell<u64>,
    late: Cell<u64>,
}

/// A proxy that runs until its task set ends.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    way: Rc<Way>,
}

struct Way {
    to: SocketAddr,
    mood: Cell<Mood>,
    rng: RefCell<StdRng>,
    counts: Counts,
}

impl Proxy {
    /// Listens, and passes everything on to `to`.
    pub async fn start(to: SocketAddr, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let rng = RefCell::new(StdRng::seed_from_u64(seed ^ 0x7072_6f78));
        let way = Rc::new(Way { to, mood: Cell::new(Mood::Calm), rng, counts: Counts::default() });
        let this = Self { address, way: way.clone() };
        spawn_local(async move {
            while let Ok((client, _)) = listener.accept().await {
                let way = way.clone();
                // How a connection ends is what this is about: every way is fine.
                spawn_local(async move { way.carry(client).await });
            }
        });
        Ok(this)
    }

    /// From now on.
    pub fn set(&self, mood: Mood) {
        self.way.mood.set(mood);
    }

    /// What has happened, as rows.
    pub fn write_down(&self, table: &mut Table) {
        table.note("connections to Konektor cut by the proxy", self.way.counts.cut.get() as f64, "");
        table.note("requests that reached Konektor after they were given up", self.way.counts.late.get() as f64, "");
    }
}

impl Way {
    async fn carry(&self, mut client: TcpStream) -> io::Result<()> {
        if self.mood.get() == Mood::Cutting && self.chance(0.1) {
            return self.cut(&client);
        }
        let mut server = TcpStream::connect(self.to).await?;
        let (mut asked, mut answered) = (vec![0; 16 << 10], vec![0; 16 << 10]);
        loop {
            tokio::select! {
                read = client.read(&mut asked) => match read? {
                    0 => return Ok(()),
                    count => self.request(&client, &mut server, &asked[..count]).await?,
                },
                read = server.read(&mut answered) => match read? {
                    0 => return Ok(()),
                    count => self.answer(&mut client, &answered[..count]).await?,
                },
            }
        }
    }

    async fn request(&self, client: &TcpStream, server: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        match self.mood.get() {
            Mood::Calm => {}
            Mood::Slow => self.dally().await,
            Mood::Cutting if self.chance(0.04) => {
                let part = self.rng.borrow_mut().random_range(0..bytes.len());
                server.write_all(&bytes[..part]).await?;
                return self.cut(client);
            }
            Mood::Late if self.chance(0.03) => {
                let held = self.rng.borrow_mut().random_range(11_000..20_000);
                sleep(Duration::from_millis(held)).await;
                self.counts.late.set(self.counts.late.get() + 1);
                server.write_all(bytes).await?;
                // Long enough for it to be worked on; nobody hears the answer.
                let _either = timeout(Duration::from_secs(1), server.read(&mut [0; 1024])).await;
                return Err(io::ErrorKind::TimedOut.into());
            }
            Mood::Cutting | Mood::Late => {}
        }
        server.write_all(bytes).await
    }

    async fn answer(&self, client: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        match self.mood.get() {
            Mood::Slow => self.dally().await,
            Mood::Cutting if self.chance(0.04) => {
                let part = self.rng.borrow_mut().random_range(0..bytes.len());
                client.write_all(&bytes[..part]).await?;
                return self.cut(client);
            }
            Mood::Calm | Mood::Cutting | Mood::Late => {}
        }
        client.write_all(bytes).await
    }

    async fn dally(&self) {
        let pause = self.rng.borrow_mut().random_range(5..150);
        sleep(Duration::from_millis(pause)).await;
    }

    fn cut(&self, client: &TcpStream) -> io::Result<()> {
        self.counts.cut.set(self.counts.cut.get() + 1);
        if self.chance(0.5) {
            // A reset instead of an orderly end.
            client.set_zero_linger()?;
        }
        Err(io::ErrorKind::ConnectionReset.into())
    }

    fn chance(&self, rate: f64) -> bool {
        self.rng.borrow_mut().random_bool(rate)
    }
}
